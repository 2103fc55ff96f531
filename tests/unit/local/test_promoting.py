"""Which steps a candidate may take, and how an order gets into Serve's configuration."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.local.promoting import Refused, check_step
from deployments.router_config import FILE, read_router_config, serve_block, with_router_config
from models.routing.promotion import Action, Stage, Verdict
from models.routing.promotions import Promotion
from models.routing.serving import RouterConfig

ROOT = Path(__file__).parents[3]


def _on_trial(stage: Stage, action: Action | None) -> Promotion:
    return Promotion(
        id=1,
        serving="old",
        candidate="new",
        serving_folder=None,
        candidate_folder=Path("new"),
        candidate_version="v2",
        stage=stage,
        share=0.1,
        ordered_by="ann",
        since=datetime(2026, 11, 25, tzinfo=UTC),
        verdict=None if action is None else Verdict(action=action, reasons=("because",)),
    )


@pytest.mark.parametrize(
    ("goes_on", "stage", "refusal"),
    [
        (None, "shadow", None),
        (None, "canary", "begin there"),
        (None, "full", "begin there"),
        (_on_trial("shadow", None), "canary", "have not looked"),
        (_on_trial("shadow", "stay"), "canary", "because"),
        (_on_trial("shadow", "advance"), "canary", None),
        (_on_trial("shadow", "advance"), "full", "not been on trial as canary"),
        (_on_trial("canary", "stay"), "full", "because"),
        (_on_trial("canary", "advance"), "full", None),
        # Another share, and back, whatever the guards say.
        (_on_trial("canary", None), "canary", None),
        (_on_trial("canary", "stay"), "shadow", None),
        (_on_trial("full", "stay"), "canary", None),
        (_on_trial("full", "stay"), "full", "serves already"),
    ],
)
def test_a_candidate_goes_one_step_at_a_time(
    goes_on: Promotion | None, stage: Stage, refusal: str | None
) -> None:
    if refusal is None:
        check_step(goes_on, stage)
        return
    with pytest.raises(Refused, match=refusal):
        check_step(goes_on, stage)


def _config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    return config


def test_only_the_router_is_told() -> None:
    router = RouterConfig(artefact=None, candidate=Path("/a/new"), stage="canary", share=0.1, promotion=3)
    before, after = _config(), with_router_config(_config(), router)
    told = {"candidate": "/a/new", "stage": "canary", "share": 0.1, "promotion": 3}
    [block] = [d for d in after["applications"][0]["deployments"] if d["name"] == "Router"]
    assert block.pop("user_config") == told
    assert RouterConfig.model_validate(told) == router
    assert after == before
    assert with_router_config(_config(), None) == before
    assert yaml.safe_load(serve_block(router)) == [{"name": "Router", "user_config": told}]


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    assert read_router_config(tmp_path) is None
    (tmp_path / FILE).write_text('{"stage": "half"}')
    with pytest.raises(ValueError, match=FILE):
        read_router_config(tmp_path)
    (tmp_path / FILE).write_text('{"candidate": "/a/new", "promotion": 3}')
    assert read_router_config(tmp_path) == RouterConfig(candidate=Path("/a/new"), promotion=3)
