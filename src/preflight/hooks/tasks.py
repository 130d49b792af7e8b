"""A task: one of the processes that make the stages of one run (see docs/runs.md)."""

import contextlib
import shutil
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline

from preflight.errors import RunError
from preflight.files import lock
from preflight.runs.manifest import Document, file_records, manifest_path
from preflight.runs.parts import (
    changing,
    join,
    mark_outdated,
    read_parts,
    require_same_files,
    without,
    write_parts,
)

DEFAULT = "__default__"
NODES = ".nodes"  # next to the manifest; a task holds the locks of its nodes


class Task:
    """The part of a run that this process makes.

    Args:
        project: the project's folder.
        pipeline: of the task.
        common: what all tasks of a run have in common: run, code, packages and settings.
        about: what each part records: contracts and platform.
    """

    def __init__(
        self, project: Path, pipeline: Pipeline, catalog: Any, common: Document, about: Document
    ) -> None:
        self._project, self._catalog, self._common = project, catalog, common
        self._run: str = common["run"]
        self._pipeline = pipeline
        self._about = about | {"began": datetime.now(UTC).isoformat(timespec="seconds")}
        self._stages: defaultdict[str, list[str]] = defaultdict(list)
        for node in pipeline.nodes:
            self._stages[node.namespace or node.name].append(node.name)

    def begin(self) -> None:
        """Join the run: record that the parts are begun, and remove what an earlier attempt left.

        Raises:
            RunError: the same node is running in another process, or code, settings or inputs are
                not those of the run's earlier tasks.
        """
        with changing(self._project, self._run), contextlib.ExitStack() as on_refusal:
            self._locks = (manifest_path(self._project, self._run).parent / NODES).open("a+b")
            on_refusal.callback(self._locks.close)
            self._lock_nodes()
            given = self._pipeline.inputs() - pipelines[DEFAULT].all_outputs()
            inputs = file_records(self._project, self._catalog, given)
            manifest, others = self._read_others()
            if manifest:
                self._common = join(manifest, self._common, others)
                require_same_files(inputs, others, self._run)
            own = [
                self._part(stage, "unfinished", None, {}) | {"inputs": inputs, "outputs": {}}
                for stage in self._stages
            ]
            self._write([*others, *own])
            self._remove_leftovers()
            on_refusal.pop_all()  # the locks are held until the end

    def end(self, error: str | None, seconds: dict[str, float], saved: set[str]) -> None:
        """Record the parts: what was read and made, by hash, and the error, if any.

        seconds: of each node whose function has returned. saved: datasets. Both are as far as is
        known: with ParallelRunner, all stages of a task that fails are to be repeated.
        """
        own = []
        for stage, nodes in self._stages.items():
            made = self._pipeline.filter(node_names=nodes).all_outputs()
            done = error is None or ({*nodes} <= seconds.keys() and made <= saved)
            status, why = ("done", None) if done else ("failed", error)
            own.append(self._part(stage, status, why, seconds))
        with changing(self._project, self._run):
            _, others = self._read_others()
            self._write([*others, *own])
        self._locks.close()

    def files(self) -> Document:
        """Return the records of the files that the run has read and made so far, by dataset."""
        manifest = read_parts(self._project, self._run)
        return {**manifest["inputs"], **manifest["outputs"]} if manifest else {}

    def _read_others(self) -> tuple[Document | None, list[Document]]:
        """Return the run's manifest, and its parts without those of this task."""
        manifest = read_parts(self._project, self._run)
        parts = manifest["parts"] if manifest else []
        repeated = {node.name for node in self._pipeline.nodes}
        gone = {name for part in parts for name in part["nodes"]} - {*_order()}  # with other code
        return manifest, without(parts, repeated | gone, self._pipeline.all_outputs())

    def _write(self, parts: list[Document]) -> None:
        """Write the run's manifest, in the order of its stages."""
        order = _order()
        parts = sorted(parts, key=lambda part: min(order.index(name) for name in part["nodes"]))
        common = self._common | _describe_extent(parts)
        write_parts(self._project, common, mark_outdated(parts, self._run))

    def _part(
        self, stage: str, status: str, error: str | None, seconds: dict[str, float]
    ) -> Document:
        nodes = self._stages[stage]
        part = self._pipeline.filter(node_names=nodes)
        return {
            "stage": stage,
            "status": status,
            "error": error,
            **self._about,
            "inputs": file_records(self._project, self._catalog, part.inputs()),
            "outputs": file_records(self._project, self._catalog, part.all_outputs()),
            "nodes": {name: seconds.get(name) for name in nodes},
        }

    def _lock_nodes(self) -> None:
        """Hold the lock of each node while this process lives; each has a byte of one file."""
        for stage, nodes in self._stages.items():
            try:
                for name in nodes:
                    lock(self._locks, byte=crc32(name.encode()))
            except OSError:
                raise RunError(
                    f"{stage} of run {self._run} is running already, in another process. Wait for "
                    "its end, or end it."
                ) from None

    def _remove_leftovers(self) -> None:
        """Remove the outputs that an earlier attempt saved: Kedro replaces no version."""
        for name in self._pipeline.all_outputs():
            dataset = self._catalog.get(name)
            if getattr(dataset, "_version", None) is not None:
                path = Path(self._project, dataset._get_versioned_path(self._run))
                shutil.rmtree(path.parent, ignore_errors=True)
                dataset.release()


def _order() -> list[str]:
    """Return the nodes of the default pipeline, in the order in which they run."""
    return [node.name for node in pipelines[DEFAULT].nodes]


def _describe_extent(parts: list[Document]) -> Document:
    """Return the pipelines that parts make up, as `kedro run` names them; or else their nodes."""
    nodes = {name for part in parts for name in part["nodes"]}
    extents = {name: {node.name for node in one.nodes} for name, one in pipelines.items()}
    whole = extents.pop(DEFAULT)
    stages = [name for name, extent in extents.items() if extent <= nodes]
    if nodes == whole:
        return {"pipelines": [], "filters": {}}
    if nodes == set().union(*(extents[name] for name in stages)):
        return {"pipelines": stages, "filters": {}}
    return {"pipelines": [], "filters": {"node_names": sorted(nodes)}}
