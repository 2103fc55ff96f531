"""The figures that Ray and HAProxy start with."""

from pathlib import Path

import pytest

from deployments.local.ray_environment import haproxy_max_connections, haproxy_threads, ray_environment

PORTS = {"haproxy_stats": 1, "haproxy_metrics": 2, "fallback_proxy": 3}


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(1_024, 100), (4_096, 1_238), (20_000, 7_600), (1_000_000, 20_000)]
)
def test_connections_follow_the_descriptors(descriptors: int, connections: int) -> None:
    assert haproxy_max_connections(descriptors) == connections


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 1), (8, 2), (64, 4)])
def test_threads_follow_the_cores(cores: int, threads: int) -> None:
    assert haproxy_threads(cores) == threads


def environment(launcher: Path | None) -> dict[str, str]:
    return ray_environment(
        directory=Path("/run/p"),
        launcher=launcher,
        token=Path("/home/token"),
        ports=PORTS,
        cores=2,
        descriptor_limit=20_000,
    )


def test_the_cluster_wants_a_token_and_stays_on_loopback() -> None:
    chosen = environment(None)
    assert chosen["RAY_AUTH_MODE"] == "token"
    assert chosen["RAY_AUTH_TOKEN_PATH"] == "/home/token"
    assert chosen["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in chosen


def test_two_instances_share_no_port_and_no_file() -> None:
    chosen = environment(Path("/home/haproxy"))
    assert {chosen[f"RAY_SERVE_HAPROXY_{name}_PORT"] for name in ("STATS", "METRICS")} == {"1", "2"}
    assert chosen["RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"] == "3"
    files = [value for name, value in chosen.items() if name.endswith(("_LOC", "SOCKET_PATH", "STATE_FILE"))]
    assert len(files) == 4
    assert all(file.startswith("/run/p/") for file in files)


def test_a_proxy_that_is_slow_to_come_up_is_waited_for() -> None:
    assert float(environment(None)["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"]) >= 30
