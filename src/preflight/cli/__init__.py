"""The commands that the engine adds to `kedro`, a file each."""

from preflight.cli.commands import cli
from preflight.cli.update import update

cli.add_command(update)

__all__ = ["cli"]
