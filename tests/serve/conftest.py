"""One running stack for all tests of this folder: starting Ray is the dearest thing a test can do."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from tests.serve.stack import Stack

OVERRIDES: dict[str, dict[str, Any]] = {
    "Provider-openai": {"autoscaling_config": {"min_replicas": 2, "max_replicas": 2}},
    "Provider-google": {
        "graceful_shutdown_timeout_s": 20,
        "autoscaling_config": {
            "target_ongoing_requests": 10,
            "upscale_delay_s": 1,
            "downscale_delay_s": 2,
            "look_back_period_s": 2,
            "metrics_interval_s": 0.5,
            "max_replicas": 2,
        },
    },
}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    stack = Stack(overrides=OVERRIDES, args={"max_in_flight": {"provider": 60}, "idle_timeout_s": 30})
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        shutil.rmtree(stack.home, ignore_errors=True)


@pytest.fixture
def client(stack: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0, timeout=30) as client:
        yield client
