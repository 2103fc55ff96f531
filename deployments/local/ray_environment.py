"""The environment in which Ray runs. Ray and Serve read it at import, in every process of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

STREAM_SILENCE_S = 900
"""Longest pause between two bytes of an answer: above the 600 s that the official SDKs wait."""

LONGEST_STREAM_S = 3_700
"""Above `total_timeout_s` of `serve_config.yaml`."""

PORT_NAMES = ("haproxy_stats", "haproxy_metrics", "fallback_proxy")

_HAPROXY_DESCRIPTORS_PER_CONNECTION = 2.5
_DESCRIPTORS_KEPT_BACK = 1_000
_MAX_CONNECTIONS = 20_000


def haproxy_max_connections(descriptor_limit: int) -> int:
    """As many connections as the descriptors allow; HAProxy refuses to start with more."""
    affordable = int((descriptor_limit - _DESCRIPTORS_KEPT_BACK) / _HAPROXY_DESCRIPTORS_PER_CONNECTION)
    return max(100, min(_MAX_CONNECTIONS, affordable))


def haproxy_threads(cores: int) -> int:
    """One thread carries some 30,000 requests a second: replicas need the cores more than HAProxy does."""
    return 1 if cores <= 4 else min(4, cores // 4)


def ray_environment(
    *,
    directory: Path,
    launcher: Path | None,
    token: Path,
    ports: Mapping[str, int],
    cores: int,
    descriptor_limit: int,
) -> dict[str, str]:
    """`directory` holds HAProxy's files; `launcher` is None where there is no HAProxy (macOS)."""
    environment = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        # Ray's name for "this machine only": the node is 127.0.0.1, and its daemons listen nowhere else.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # Ray runs workers at nice 15, for batch jobs' sake; here they answer people.
        "RAY_worker_niceness": "0",
        # A proxy that is slow to come up on a busy machine is waited for. Serve would end it after five
        # seconds, and the whole start with it.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        # Nobody is told what the encoder does.
        "ORT_DISABLE_TELEMETRY": "1",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deployments.edge:middlewares",
    }
    if launcher is None:
        return environment
    return environment | {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(launcher),
        "RAY_SERVE_HAPROXY_MAXCONN": str(haproxy_max_connections(descriptor_limit)),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(haproxy_threads(cores)),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(STREAM_SILENCE_S),
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(STREAM_SILENCE_S),
        # A reload (a replica came or went) leaves running streams to the old process, which ends after this.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(LONGEST_STREAM_S),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports["haproxy_stats"]),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports["haproxy_metrics"]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports["fallback_proxy"]),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(directory / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(directory / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(directory),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(directory / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(directory / "metrics.sock"),
    }
