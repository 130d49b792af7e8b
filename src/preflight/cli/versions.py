"""The versions on disk, and which of them may be deleted."""

from pathlib import Path

from kedro.framework.project import pipelines

from preflight.deployment import champion
from preflight.runs.manifest import VERSION, Document, describe_lack, lineage, read_or_none


def list_versions(project: Path) -> list[Document]:
    """Return the versions on disk, the oldest first: size, files, and what each is.

    what: the pipelines of a run; failed; no manifest or a broken one (an orphan). pipelines: the
    same as a list, None of an orphan. champion: it is one that one can go back to, or what such a
    one was made from.
    """
    folders: dict[str, list[Path]] = {}
    for path in (project / "data").glob("*/**/*/"):
        if VERSION.fullmatch(path.name):
            folders.setdefault(path.name, []).append(path)
    promoted = champion.read(project / champion.POINTER).champions  # one can go back to each
    champions = lineage(
        project, {version for one in promoted for version in (one.version, one.run)}
    )
    return [
        {
            "version": version,
            "bytes": sum(
                f.stat().st_size for place in places for f in place.iterdir() if f.is_file()
            ),
            "folders": places,
            **_what(project, version),
            "champion": version in champions,
        }
        for version, places in sorted(folders.items())
    ]


def _what(project: Path, version: str) -> Document:
    run = read_or_none(project, version)
    if run is None:
        return {"what": f"orphan: {describe_lack(project, version)}", "pipelines": None}
    stages = ", ".join(run["pipelines"]) or "all"
    said = stages if run["status"] == "done" else f"{stages}: {run['status']}"
    return {"what": said, "pipelines": run["pipelines"]}


def prunable_versions(project: Path, keep: int) -> list[Document]:
    """Return the versions that may go: all but the newest `keep` runs and what is needed of others.

    Needed is what those runs and the champion were made from. Runs that only use the champion are
    counted by themselves: there may be one every hour.
    """
    found, on_demand = list_versions(project), _on_demand()
    groups: dict[bool, list[str]] = {True: [], False: []}
    for one in found:
        if (stages := one["pipelines"]) is not None:
            only_uses = bool(stages) and set(stages) <= on_demand
            groups[only_uses].append(one["version"])
    newest = {version for group in groups.values() for version in group[-keep:] if keep}
    kept = lineage(project, newest)
    return [v for v in found if v["version"] not in kept and not v["champion"]]


def _on_demand() -> set[str]:
    """Return the names of the pipelines of which `kedro run` alone runs nothing."""
    run = set(pipelines["__default__"].nodes)
    return {name for name, pipeline in pipelines.items() if not run.intersection(pipeline.nodes)}
