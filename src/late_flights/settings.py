"""Kedro's settings for this project."""

from preflight.hooks import HOOKS

__all__ = ["CONFIG_LOADER_ARGS", "HOOKS"]

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment that overrides a dataset's path must not lose its contract with it.
    "merge_strategy": {"catalog": "soft", "parameters": "soft"},
}
