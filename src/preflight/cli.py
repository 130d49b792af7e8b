"""Commands that this project adds to `kedro`."""

import click
from kedro.framework.startup import ProjectMetadata

RAW = "data/01_raw"


@click.group(name="preflight")
def cli() -> None:
    """Commands of this project."""


@cli.command("accept-data")
@click.pass_obj
def accept_data(project: ProjectMetadata) -> None:
    """Accept the files in data/01_raw as they are: write their manifest anew."""
    from preflight.manifest import accept  # here, as every kedro command loads this module

    try:
        changes = accept(project.project_path / RAW)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(changes))
