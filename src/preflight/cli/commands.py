"""Commands that this project adds to `kedro`."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata


@click.group(name="preflight")
def cli() -> None:
    """Commands of this project."""


@contextmanager
def report_user_errors() -> Iterator[None]:
    """Show an error that a user can cause as a message, without a traceback."""
    from kedro.io import DatasetError
    from pydantic import ValidationError

    from preflight.errors import RunError

    try:
        yield
    except ValidationError as error:  # of what was given on the command line
        faults = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise click.ClickException("; ".join(faults)) from error
    except (RunError, DatasetError, OSError) as error:
        raise click.ClickException(str(error)) from error


@cli.command("accept-data")
@click.pass_obj
@report_user_errors()
def accept_data(project: ProjectMetadata) -> None:
    """Accept the present files in data/01_raw: write their manifest again."""
    from preflight.runs.raw_files import accept

    folder, load_args = project.project_path / "data/01_raw", _load_args(project.project_path)
    click.echo("\n".join(accept(folder, load_args)))
    for part in sorted(one for one in folder.iterdir() if one.is_dir()):
        click.echo("\n".join([f"{part.name}:", *(f"  {line}" for line in accept(part))]))


@cli.command("partition")
@click.option("--by", type=click.Choice(["year", "month"]), required=True, help="Of the periods.")
@click.pass_obj
@report_user_errors()
def partition(project: ProjectMetadata, by: str) -> None:
    """Cut the raw tables into one Parquet file for each period, for kedro run --env large.

    The files are those that conf/large names. A raw table is cut by the event_time of its contract.
    """
    from preflight.cli.partition import cut_raw_tables

    for line in cut_raw_tables(project.project_path, by):
        click.echo(line)


def _load_args(project: Path) -> dict[str, dict[str, Any]]:
    """Return how the catalog reads each file, by the name of the file."""
    from preflight.contracts.catalog import read_catalog

    entries = [one for one in read_catalog(project).values() if "filepath" in one]
    return {Path(one["filepath"]).name: one.get("load_args", {}) for one in entries}


@cli.command("contract")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), help="A new file for the draft.")
@click.pass_obj
@report_user_errors()
def contract(project: ProjectMetadata, file: Path, to: Path | None) -> None:
    """Draft a contract and a catalog entry from a CSV or Parquet file."""
    from preflight.cli.draft import draft_contract
    from preflight.errors import RunError
    from preflight.files import replacing

    path, root = file.resolve(), project.project_path
    filepath = path.relative_to(root) if path.is_relative_to(root) else path
    given = _load_args(root).get(file.name, {})
    text = draft_contract(file, filepath.as_posix(), project.package_name, given)
    if to is None:
        click.echo(text, nl=False)
        return
    if to.exists():
        raise RunError(f"{to} exists already: name a new file with --to.")
    with replacing(to, encoding="utf-8") as new:
        new.write(text)
    click.echo(f"Drafted into {to}: read and edit it.")


@cli.command("dictionary")
@click.pass_obj
def write_dictionary(project: ProjectMetadata) -> None:
    """Print parameters, and all tables and columns that contracts declare, in Markdown."""
    from kedro.framework.project import pipelines
    from kedro.validation import TypeExtractor

    from preflight.cli.dictionary import write_dictionary
    from preflight.cli.parameters import write_parameters
    from preflight.contracts.catalog import read_catalog

    sections = TypeExtractor(dict(pipelines)).extract_types_from_pipelines()
    parameters = write_parameters(project.project_path / "conf/base/parameters", sections)
    click.echo(write_dictionary(read_catalog(project.project_path), parameters), nl=False)


@cli.command("diff")
@click.argument("before")
@click.argument("after")
@click.pass_obj
@report_user_errors()
def diff(project: ProjectMetadata, before: str, after: str) -> None:
    """Show what changed between two runs, by their versions."""
    from preflight.cli.reproduce import compare_runs
    from preflight.runs.manifest import read_manifest

    one, two = (read_manifest(project.project_path, version) for version in (before, after))
    for section, lines in compare_runs(project.project_path, one, two).items():
        click.echo("\n  ".join([f"{section}:{'' if lines else ' the same'}", *lines]))


@cli.command("reproduce")
@click.argument("version")
@click.pass_obj
@report_user_errors()
def reproduce_run(project: ProjectMetadata, version: str) -> None:
    """Repeat a run in a clean folder, and compare its outputs."""
    from preflight.cli.reproduce import reproduce_run

    with tempfile.TemporaryDirectory() as folder:
        problems = reproduce_run(project.project_path, version, Path(folder, "again"))
    if problems:
        raise click.ClickException("\n  - ".join([f"{version} is not reproduced:", *problems]))
    click.echo(f"{version} is reproduced: every output is the same.")


@cli.command("stop-experiment")
@click.argument("name")
@click.option("--by", required=True, help="Who stops it.")
@click.option("--reason", required=True, help="Why.")
@click.pass_obj
@report_user_errors()
def stop_experiment(project: ProjectMetadata, name: str, by: str, reason: str) -> None:
    """Stop an experiment: from now on all decisions are the champion's again."""
    from datetime import UTC, datetime

    from preflight.inference.experiment import FOLDER, Designs, Stop

    stop = Stop(by=by, reason=reason, at=datetime.now(UTC))
    stopped = Designs(str(project.project_path / FOLDER)).stop(name, stop)
    click.echo(f"Experiment {name} (from {stopped.start}) is stopped: the champion decides.")


@cli.command("shadow")
@click.argument("version", required=False)
@click.option("--off", is_flag=True, help="No challenger is in the shadow any longer.")
@click.pass_obj
@report_user_errors()
def shadow(project: ProjectMetadata, version: str | None, off: bool) -> None:
    """Let a challenger answer in the shadow of the champion, or show how they compare.

    VERSION is that of a refit, or of a candidate with a verdict. Without it the comparison is
    shown. The service follows within a second.
    """
    from kedro.framework.session import KedroSession

    from preflight.cli.shadow import put_in_shadow, show_shadow
    from preflight.inference.shadow import SETTING
    from preflight.problem.framing import Framing

    if version and off:
        raise click.UsageError("Give a version, or --off.")
    root = project.project_path
    with KedroSession.create(root) as session:
        context = session.load_context()  # type: ignore[attr-defined]
        if version:
            put_in_shadow(root, context.catalog, version)
        if off:
            was = (root / SETTING).exists()
            (root / SETTING).unlink(missing_ok=True)
            click.echo("The challenger was taken out." if was else "No challenger was there.")
        framing = Framing.model_validate(context.config_loader["parameters"]["framing"])
    click.echo("\n".join(show_shadow(root, framing)))


@cli.command("versions")
@click.option("--prune", is_flag=True, help="Delete old versions, after a confirmation.")
@click.option("--keep", default=5, show_default=True, help="Number of runs that --prune keeps.")
@click.option("--yes", is_flag=True, help="Delete without a confirmation.")
@click.pass_obj
@report_user_errors()
def versions(project: ProjectMetadata, prune: bool, keep: int, yes: bool) -> None:
    """List the versions on disk, with size and pipelines; delete old ones with --prune.

    --prune also deletes unfinished files whose writers were killed over a day ago.
    """
    from preflight.cli.versions import list_versions, reasons_to_keep
    from preflight.files import abandoned, remove

    found = list_versions(project.project_path)
    kept = reasons_to_keep(project.project_path, found, keep) if prune else {}
    for one in found:
        mark = one["needed_by"]
        if prune:
            reason = kept.get(one["version"])
            mark = f"keep: {reason}" if reason else "DELETE"
        line = f"{one['version']} {one['bytes'] / 1e6:8.1f} MB  {one['what']}  {mark}"
        click.echo(line.rstrip())
    if not prune:
        return
    old = [one for one in found if one["version"] not in kept]
    unfinished = abandoned(project.project_path / "data")
    size = sum(one["bytes"] for one in old) / 1e6
    number = "1 version" if len(old) == 1 else f"{len(old)} versions"
    summary = f"{number}, {size:,.0f} MB, and {len(unfinished)} unfinished files"
    marked = "the versions marked DELETE: "
    if (old or unfinished) and (yes or click.confirm(f"Delete {marked if old else ''}{summary}?")):
        for file in unfinished:
            remove(file)
        for folder in (folder for one in old for folder in one["folders"]):
            shutil.rmtree(folder)
    click.echo(f"{len(old)} versions are older than the newest {keep} runs and their ancestors.")


@cli.command("compact-log")
@click.pass_obj
@report_user_errors()
def compact_log(project: ProjectMetadata) -> None:
    """Merge the prediction log's files of each past day into one."""
    from kedro.framework.session import KedroSession

    with KedroSession.create(project.project_path) as session:
        log = session.load_context().catalog["prediction_log"]  # type: ignore[attr-defined]
        click.echo(f"{log.compact()} files were merged into one per day.")


@cli.command("delete-log")
@click.option("--older-than", type=int, metavar="DAYS", help="Rows of earlier moments only.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Rows of this value only.")
@click.option("--yes", is_flag=True, help="Delete without a confirmation.")
@click.pass_obj
@report_user_errors()
def delete_log(
    project: ProjectMetadata, older_than: int | None, where: tuple[str, ...], yes: bool
) -> None:
    """Delete rows of the prediction log for good: old ones, or those of a person.

    COLUMN is one of the key of a decision. All conditions have to hold.
    """
    import pandas as pd
    from kedro.framework.session import KedroSession

    if (older_than is None and not where) or not all("=" in one for one in where):
        raise click.UsageError("Say which rows: --older-than DAYS, --where COLUMN=VALUE, or both.")
    age = None if older_than is None else pd.Timedelta(days=older_than)
    before = None if age is None else pd.Timestamp.now("UTC") - age
    with KedroSession.create(project.project_path) as session:
        log = session.load_context().catalog["prediction_log"]  # type: ignore[attr-defined]
        found = log.find(before, dict(one.split("=", 1) for one in where))
    rows = sum(int(selected.sum()) for selected in found.values())
    if rows and (yes or click.confirm(f"Delete {rows:,} rows of {len(found):,} files for good?")):
        log.delete(found)
        click.echo(f"{rows:,} rows were deleted.")
    elif not rows:
        click.echo("No rows match: nothing was deleted.")


@cli.command("rollback")
@click.option("--to", metavar="VERSION", help="An earlier champion; by default the last one.")
@click.pass_obj
@report_user_errors()
def rollback(project: ProjectMetadata, to: str | None) -> None:
    """Go back to an earlier champion."""
    from preflight.deployment import champion

    now = champion.roll_back(project.project_path / champion.POINTER, to)
    click.echo(f"{now.version} is the champion again.")


@cli.command("withdraw")
@click.option("--by", required=True, help="Who takes it out of use.")
@click.option("--reason", required=True, help="Why.")
@click.pass_obj
@report_user_errors()
def withdraw(project: ProjectMetadata, by: str, reason: str) -> None:
    """Take the champion out of use: nothing is predicted until there is another one."""
    from preflight.deployment import champion

    decided = champion.Override(by=by, reason=reason)
    was = champion.withdraw(project.project_path / champion.POINTER, decided)
    click.echo(
        f"{was.version} is withdrawn. Go back to an earlier champion: kedro rollback. Take this "
        f"one up again: kedro rollback --to {was.version}"
    )
