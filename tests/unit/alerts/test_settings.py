"""What can be set of alerts, and what is refused by name before anything starts."""

from typing import Any

import pytest
from pydantic import ValidationError

from deployments.alert_settings import AlertEnvironment, AlertSettings
from models.net import Egress

MAIL = {"host": "smtp.example.com", "sender": "polyvox@example.com"}


def test_by_default_only_https_to_public_addresses_is_allowed() -> None:
    assert AlertSettings().egress() == Egress(allow_http=False, allow_private=False)


@pytest.mark.parametrize(
    "settings",
    [
        {"ops": [{"kind": "webhook", "target": "https://hooks.example.com/x", "min_severity": "critical"}]},
        {"mail": MAIL, "ops": [{"kind": "email", "target": "ops@example.com"}]},
        {
            "allow_http": True,
            "allow_private": True,
            "ops": [{"kind": "webhook", "target": "http://[::1]:1/"}],
        },
        {"mail": MAIL | {"username": "pvx", "security": "tls", "port": 465}},
    ],
)
def test_settings_that_are_taken(settings: dict[str, Any]) -> None:
    AlertSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"mails": MAIL}, "mails"),
        ({"mail": MAIL | {"password": "hunter2"}}, "password"),
        ({"mail": MAIL | {"username": "pvx", "security": "none"}}, "security"),
        ({"mail": MAIL | {"sender": "a@b.c\r\nBcc: d@e.f"}}, "sender"),
        ({"ops": [{"kind": "email", "target": "ops@example.com"}]}, "takes `mail`"),
        ({"ops": [{"kind": "webhook", "target": "http://hooks.example.com"}]}, "https"),
        ({"ops": [{"kind": "webhook", "target": "https://127.0.0.1/"}]}, "public"),
        ({"ops": [{"kind": "pager", "target": "x"}]}, "kind"),
        ({"total_timeout_s": 3_600}, "total_timeout_s"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        AlertSettings.model_validate(settings)


def test_the_password_comes_from_the_environment_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYVOX_SMTP_PASSWORD", "hunter2")
    found = AlertEnvironment()
    assert found.smtp_password is not None
    assert found.smtp_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(found)
