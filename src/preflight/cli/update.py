"""Update a project to a newer version of the template that it was made from.

`kedro new` makes the project anew from the old version and from the new one, with the answers that
the project records. Git applies the difference between the two to the project.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import yaml
from kedro.framework.startup import ProjectMetadata

from preflight.cli.commands import report_user_errors
from preflight.cli.merge import ENGINE, Merge, ask_git, merge_versions, run_git
from preflight.errors import RunError
from preflight.files import json_object

RECORD = ".preflight.json"  # what the project was made from; `kedro new` writes it


@click.command("update")
@click.argument("source", required=False)
@click.option("--checkout", help="Tag, branch or commit of the template; by default its newest.")
@click.option("--base", help="Folder or zip of the old version, if SOURCE has no git history.")
@click.pass_obj
@report_user_errors()
def update(
    project: ProjectMetadata, source: str | None, checkout: str | None, base: str | None
) -> None:
    """Update this project to a newer version of the template.

    SOURCE is the template's folder or git URL; by default the URL that the project was made from.
    The engine is replaced, everything else is merged. Nothing is committed.
    """
    merge, lines = update_project(project.project_path, source, checkout, base)
    click.echo("\n".join(lines))
    if merge.conflicts:
        raise click.ClickException("Resolve the conflicts and git add the files. Then: make test")


def update_project(
    project: Path, source: str | None, checkout: str | None = None, base: str | None = None
) -> tuple[Merge, list[str]]:
    """Return what changed in the project's files and git index, and the lines that describe it.

    Args:
        project: the project's folder.
        source: folder or git URL of the template; None for the URL that the project records.
        checkout: what to take of the template's history; None for the newest.
        base: folder or zip of the version that the project was made from; None to take it from
            the template's history.

    Raises:
        RunError: the project has changes that are not committed, a file of the engine was edited,
            or the template or its old version is not found. The project is as it was.
    """
    record = json_object(project / RECORD)
    if record is None:
        raise RunError(f"{RECORD} is missing. `kedro new` wrote it: restore it from git.")
    if run_git(project, "rev-parse", "HEAD").returncode or ask_git(project, "status", "--short"):
        raise RunError("The project has changes that are not in git. Commit them first.")
    if not (source := source or record["source"]):
        raise RunError("The project records no git URL. Name the template: kedro update FOLDER")
    with TemporaryDirectory() as name:
        old, new = _make_versions(Path(name), source, checkout, base, record)
        (old / RECORD).write_bytes((project / RECORD).read_bytes())
        made = json.loads((new / RECORD).read_bytes())
        is_folder = Path(source).exists() or "file:" in source
        made["source"] = record["source"] if is_folder else source
        (new / RECORD).write_text(f"{json.dumps(made, indent=2)}\n", encoding="utf-8")
        merge = merge_versions(project, old, new)
        return merge, _describe(project, old, new, merge)


def _make_versions(
    folder: Path, source: str, checkout: str | None, base: str | None, record: dict[str, Any]
) -> tuple[Path, Path]:
    """Return the project as `kedro new` makes it from the old version, and from the new one."""
    starter, clone = Path(source).resolve(), folder / "starter"
    is_here = starter.exists()
    if not is_here or (starter / ".git").exists():
        origin = str(starter) if is_here else source.removeprefix("git+")
        ask_git(folder, "clone", "--quiet", origin, str(clone))
    if checkout or not is_here:  # else the folder is taken as it is
        ask_git(clone, "checkout", "--quiet", checkout or "HEAD")
        starter = clone
    new = _make(starter, folder / "new", record["answers"])
    release = record["release"]
    if base:
        return _make(Path(base).resolve(), folder / "old", record["answers"]), new
    if clone.exists() and any(
        not run_git(clone, "checkout", "--quiet", name).returncode
        for name in (release, f"v{release}")
    ):
        return _make(clone, folder / "old", record["answers"]), new
    raise RunError(
        f"{source} has no git history with release {release}, which this project was made from. "
        "Name a folder or zip of that release: kedro update SOURCE --base FOLDER"
    )


def _make(starter: Path, folder: Path, answers: dict[str, str]) -> Path:
    """Return the folder of a new project with these answers, without the data."""
    folder.mkdir()
    (folder / "answers.yml").write_text(json.dumps(answers), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "new", f"--starter={starter}", "--config=answers.yml"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"DO_NOT_TRACK": "1", "PWD": str(folder)},
    )
    if done.returncode:
        raise RunError(f"kedro new failed with {starter}:\n{done.stderr or done.stdout}")
    made = folder / answers["repo_name"]
    for path in (made / "data").rglob("*"):
        if path.is_file() and path.name != ".gitkeep":
            path.unlink()
    return made


def _describe(project: Path, old: Path, new: Path, merge: Merge) -> list[str]:
    before, after = _version(old), _version(new)
    if not merge.changed:
        return [f"Nothing to do: the project has version {before} of the template."]
    settings = [*_name_settings(project / "conf", old / "conf", new / "conf")]
    parts = {
        "Deleted in this project, new or changed in the template": merge.left_out,
        "Settings": settings,
        "Conflicts": merge.conflicts,
    }
    return [
        f"Updated from version {before} to {after}: {len(merge.changed)} files changed.",
        *("\n  ".join([f"{title}:", *lines]) for title, lines in parts.items() if lines),
        f"Read {ENGINE}/CHANGELOG.md. Review: git diff HEAD. Undo: git reset --hard.",
        "Then test and commit: make test, git commit.",
    ]


def _version(project: Path) -> str:
    """Return the engine's version, with the release of the template if that says more."""
    text = (project / ENGINE / "__init__.py").read_text(encoding="utf-8")
    version: str = re.findall(r'^__version__ = "(.+)"', text, re.MULTILINE)[0]
    release = json.loads((project / RECORD).read_bytes())["release"]
    return version if release.removeprefix("v") == version else f"{version} ({release})"


def _name_settings(conf: Path, old: Path, new: Path) -> Iterator[str]:
    """Yield the settings that one version alone has, and where the project has one that is gone."""
    were, are = (set().union(*map(_settings, one.rglob("*.yml"))) for one in (old, new))
    for what, names in {"gone": were - are, "new": are - were}.items():
        yield from (f"{what}: {n}" for n in sorted(names) if n.rpartition(".")[0] not in names)
    for path in sorted(conf.rglob("*.yml")):
        for name in sorted(_settings(path) & (were - are)):
            yield f"{path.relative_to(conf.parent).as_posix()} still has {name}"


def _settings(path: Path) -> set[str]:
    """Return the names in a file, such as modeling.search.trials; none if it has a conflict."""

    def walk(node: Any, prefix: str = "") -> Iterator[str]:
        for key, value in node.items() if isinstance(node, dict) else ():
            yield f"{prefix}{key}"
            yield from walk(value, f"{prefix}{key}.")

    try:
        return set(walk(yaml.safe_load(path.read_text(encoding="utf-8"))))
    except yaml.YAMLError:
        return set()
