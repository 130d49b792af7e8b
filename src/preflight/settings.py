"""Kedro's settings for this project."""

from preflight.hooks import (
    ContractHooks,
    DeploymentHooks,
    ErrorHooks,
    FramingHooks,
    ManifestHooks,
    ParameterHooks,
    ProgressHooks,
    RawDataHooks,
    TestSetHooks,
    TrackingHooks,
    VersionHooks,
)

# Kedro calls the last one first.
HOOKS = (
    ProgressHooks(),
    ManifestHooks(),
    TrackingHooks(),
    VersionHooks(),
    DeploymentHooks(),
    RawDataHooks(),
    TestSetHooks(),
    FramingHooks(),
    ParameterHooks(),
    ContractHooks(),
    ErrorHooks(),
)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment that overrides a dataset's path must not lose its contract with it.
    "merge_strategy": {"catalog": "soft", "parameters": "soft"},
}
