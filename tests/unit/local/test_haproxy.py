"""What the launcher does to the configuration that Ray renders."""

import subprocess
from pathlib import Path

import pytest

from deployments.local.haproxy import harden, write_launcher, write_refusals

RENDERED = """\
global
    log 127.0.0.1:514 local0 info
    stats socket /run/admin.sock mode 666 level admin expose-fd listeners
    maxconn 4096
defaults
    mode http
    log global
    errorfile 502 /run/500.http
    errorfile 503 /run/500.http
    errorfile 504 /run/500.http
frontend prometheus
    bind :9101
    mode http
frontend http_frontend
    bind 127.0.0.1:8000
    acl healthcheck path -i /-/healthz
backend http-app
    server replica 127.0.0.1:30000 check
listen stats
  bind *:8404
  stats enable
"""


@pytest.fixture
def hardened() -> list[str]:
    return [line.strip() for line in harden(RENDERED, Path("/refusals")).splitlines()]


@pytest.mark.parametrize(
    "line",
    [
        "bind 127.0.0.1:9101",
        "bind 127.0.0.1:8404",
        "bind 127.0.0.1:8000",
        "stats socket /run/admin.sock mode 600 level admin expose-fd listeners",
        "http-request del-header x-request-timeout-seconds",
        "http-request del-header x-request-disconnect-disabled",
        "http-request set-header X-Forwarded-For %[src]",
        "errorfile 502 /refusals/502.http",
        "errorfile 503 /refusals/503.http",
        "errorfile 504 /refusals/504.http",
        "server replica 127.0.0.1:30000 check",
    ],
)
def test_has(hardened: list[str], line: str) -> None:
    assert hardened.count(line) == 1


@pytest.mark.parametrize("line", ["bind *:8404", "bind :9101", "log 127.0.0.1:514 local0 info"])
def test_has_no_longer(hardened: list[str], line: str) -> None:
    assert line not in hardened


def test_rules_stand_in_the_public_frontend_and_before_its_first_decision(hardened: list[str]) -> None:
    rule = hardened.index("http-request del-header x-request-timeout-seconds")
    assert (
        hardened.index("frontend http_frontend") < rule < hardened.index("acl healthcheck path -i /-/healthz")
    )


def test_an_address_chosen_for_the_public_frontend_stays() -> None:
    assert "    bind *:8000" in harden(RENDERED.replace("127.0.0.1:8000", "*:8000"), Path("/r")).splitlines()


def test_twice_is_the_same_as_once() -> None:
    once = harden(RENDERED, Path("/refusals"))
    assert harden(once, Path("/refusals")) == once


@pytest.mark.parametrize("status", [502, 503, 504])
def test_refusals_say_what_they_are(tmp_path: Path, status: int) -> None:
    write_refusals(tmp_path)
    head, _, body = (tmp_path / f"{status}.http").read_bytes().partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'"code": "gateway_unavailable"' in body


def test_the_launcher_rewrites_the_file_and_becomes_the_binary(tmp_path: Path) -> None:
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(RENDERED)
    launcher = write_launcher(tmp_path / "has space", "/bin/echo")
    ran = subprocess.run(
        [launcher, "-db", "-f", configuration, "-sf", "1"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"-db -f {configuration} -sf 1\n"
    assert "bind 127.0.0.1:8404" in configuration.read_text()
