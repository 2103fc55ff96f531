"""`serve_config.yaml` against the application that it describes: Serve itself accepts misspelt keys."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from deployments.app import build
from deployments.settings import Args

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
[APPLICATION] = CONFIG["applications"]
BLOCKS = {block["name"]: block for block in APPLICATION["deployments"]}


def test_the_deployments_are_those_of_the_application() -> None:
    application = build(APPLICATION["args"])
    gateway: Any = application._bound_deployment
    found = {gateway.name}
    for bound in [*gateway.init_kwargs["providers"].values(), *gateway.init_kwargs.values()]:
        if hasattr(bound, "_bound_deployment"):
            found.add(bound._bound_deployment.name)
    assert set(BLOCKS) == found


def test_every_key_is_one_that_serve_knows() -> None:
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeApplicationSchema

    assert set(APPLICATION) <= set(ServeApplicationSchema.model_fields)
    assert set(CONFIG["http_options"]) <= set(HTTPOptionsSchema.model_fields)
    for name, block in BLOCKS.items():
        assert set(block) <= set(DeploymentSchema.model_fields), name
        assert set(block["autoscaling_config"]) <= set(AutoscalingConfig.model_fields), name


@pytest.mark.parametrize("name", BLOCKS)
def test_every_deployment_scales_on_its_own_and_bounds_what_it_takes(name: str) -> None:
    block = BLOCKS[name]
    scaling = block["autoscaling_config"]
    assert scaling["min_replicas"] >= 1
    assert scaling["max_replicas"] > scaling["min_replicas"]
    assert 0 < block["max_ongoing_requests"] <= 10_000
    assert scaling["policy"]["policy_function"] == "deployments.autoscaling:in_flight"


def test_long_streams_outlive_a_redeploy() -> None:
    longest = APPLICATION["args"]["total_timeout_s"]
    for name in ("Gateway", "Provider-openai", "Provider-anthropic", "Provider-google"):
        assert BLOCKS[name]["graceful_shutdown_timeout_s"] >= longest


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"idle_timeout": 5}, "idle_timeout"),
        ({"total_timeout_s": -1}, "total_timeout_s"),
        ({"key_cache_s": 3600}, "key_cache_s"),
        ({"max_in_flight": {"gateway": 5}}, "gateway"),
    ],
)
def test_wrong_arguments_are_refused_by_name(args: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        build(args)


def test_the_defaults_stand_in_the_settings() -> None:
    assert Args.model_validate({}).timeouts().connect_s == 5.0
