"""Kedro looks here for the commands of a project, and for `run` of its wheel."""

from kedro.framework.cli.project import run

from preflight.cli import cli

__all__ = ["cli", "run"]
