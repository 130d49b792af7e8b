"""The commands that the engine adds to `kedro`, a file each."""

from preflight.cli.commands import cli

__all__ = ["cli"]
