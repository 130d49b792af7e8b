"""Kedro's settings for this project."""

from preflight import hooks

# Kedro calls the last one first.
HOOKS = (
    hooks.ProgressHooks(),
    hooks.ManifestHooks(),
    hooks.TrackingHooks(),
    hooks.VersionHooks(),
    hooks.GuardHooks(),
    hooks.ContractHooks(),
    hooks.ErrorHooks(),
)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment that overrides a dataset's path must not lose its contract with it.
    "merge_strategy": {"catalog": "soft", "parameters": "soft"},
}
