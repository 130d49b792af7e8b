"""The versions on disk, and those that may be deleted."""

from collections import defaultdict
from pathlib import Path

from kedro.framework.project import pipelines

from preflight.deployment import champion
from preflight.inference.experiment import FOLDER, Designs
from preflight.inference.shadow import SETTING, read_shadow
from preflight.runs.manifest import VERSION, Document, describe_orphan, lineage, read_or_none


def list_versions(project: Path) -> list[Document]:
    """Return the versions on disk, oldest first: size, folders, description and pipelines.

    what: the pipelines of a run, with its status if it is not done; or that it is an orphan, whose
    manifest is missing or broken. pipelines: the same as a list; None for an orphan. failed:
    whether the run is not done. needed_by: what was made or evaluated by this version or needs it:
    a champion, present or past, an experiment, or the shadow; empty if nothing does.
    """
    folders: dict[str, list[Path]] = {}
    for path in (project / "data").glob("*/**/*/"):
        if VERSION.fullmatch(path.name):
            folders.setdefault(path.name, []).append(path)
    needed_by = _needed_by(project)
    return [
        {
            "version": version,
            "bytes": sum(f.stat().st_size for p in places for f in p.rglob("*") if f.is_file()),
            "folders": places,
            **_describe(project, version),
            "needed_by": needed_by.get(version, ""),
        }
        for version, places in sorted(folders.items())
    ]


def _needed_by(project: Path) -> dict[str, str]:
    """Return what needs a version, by version."""
    promoted = champion.read(project / champion.POINTER).champions  # a rollback may need each
    designs, shadow = Designs(str(project / FOLDER)).load(), read_shadow(project / SETTING)
    needed: dict[str, list[str | None]] = {
        "shadow": [shadow.challenger] if shadow else [],
        "experiment": [version for one in designs for version in (one.champion, one.challenger)],
        "champion": [run for one in promoted for run in (one.version, one.run, one.recipe_run)],
    }
    return {
        version: what for what, versions in needed.items() for version in lineage(project, versions)
    }


def _describe(project: Path, version: str) -> Document:
    run = read_or_none(project, version)
    if run is None:
        what = f"orphan: {describe_orphan(project, version)}"
        return {"what": what, "pipelines": None, "failed": False}
    stages, failed = ", ".join(run["pipelines"]) or "all", run["status"] != "done"
    what = f"{stages}: {run['status']}" if failed else stages
    return {"what": what, "pipelines": run["pipelines"], "failed": failed}


def reasons_to_keep(project: Path, found: list[Document], keep: int) -> dict[str, str]:
    """Return why versions stay, by version; all others may be deleted.

    The newest `keep` runs stay. Ancestors of the kept runs and of the champions stay. Previews, and
    runs that only use the champion, are counted separately, because there may be one every hour; so
    are failed runs, because none of them should push out a result.
    """
    on_demand = _on_demand()
    groups: defaultdict[tuple[bool, bool], list[str]] = defaultdict(list)
    for one in found:
        if (stages := one["pipelines"]) is not None:
            only_uses = bool(stages) and set(stages) <= on_demand
            groups[only_uses, one["failed"]].append(one["version"])
    newest = [version for group in groups.values() for version in group[-keep:] if keep]
    reasons = dict.fromkeys(lineage(project, newest), "a newer run was made from it")
    reasons |= dict.fromkeys(newest, f"of the newest {keep}")
    return reasons | {one["version"]: one["needed_by"] for one in found if one["needed_by"]}


def _on_demand() -> set[str]:
    """Return the pipelines that share no node with the default pipeline."""
    run = set(pipelines["__default__"].nodes)
    return {name for name, pipeline in pipelines.items() if not run.intersection(pipeline.nodes)}
