"""Kedro looks here for the commands of a project."""

from preflight.cli import cli

__all__ = ["cli"]
