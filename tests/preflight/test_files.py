"""Files are whole or not there, whatever stops the writer: a full disk, an error or a kill."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset
from kedro_datasets.pickle import PickleDataset
from kedro_datasets.text import TextDataset

from preflight import files
from preflight.cli.versions import list_versions
from preflight.datasets import ParquetTable
from preflight.deployment import champion
from preflight.files import replacing
from preflight.runs.raw_files import accept

OLD, NEW = "2013-01-01T00.00.00.000Z", "2013-01-02T00.00.00.000Z"
FULL = 8192  # bytes that fit
DISK_FULL = "File too large"  # what a limit on the size of files gives for "No space left"
NOISE = np.random.default_rng(1).bytes(50_000).hex()  # no compression makes it fit


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 8 kB: the system itself refuses the rest of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def table(text: str) -> pd.DataFrame:
    return pd.DataFrame({"a": [text[i : i + 50] for i in range(0, len(text), 50)]})


KINDS: dict[str, tuple[type[AbstractVersionedDataset], dict[str, Any], Callable[[str], Any]]] = {
    "a.parquet": (ParquetTable, {"save_args": {"compression": "zstd"}}, table),
    "a.csv": (CSVDataset, {}, table),
    "a.json.gz": (
        JSONDataset,
        {
            "fs_args": {
                "open_args_save": {"mode": "w", "compression": "infer"},
                "open_args_load": {"compression": "infer"},
            }
        },
        lambda text: {"a": text},
    ),
    "a.json": (JSONDataset, {}, lambda text: {"a": text}),
    "a.skops": (
        PickleDataset,
        {"backend": "preflight.modeling.skops_file", "load_args": {"trusted": []}},
        lambda text: {"a": text},
    ),
    "a.html": (TextDataset, {}, str),
}


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_leaves_the_old_version_the_newest(name: str, tmp_path: Path) -> None:
    kind, arguments, data = KINDS[name]

    def dataset(version: Version) -> AbstractVersionedDataset:
        return kind(filepath=str(tmp_path / name), version=version, **arguments)

    with full_disk(), pytest.raises(DatasetError, match=DISK_FULL):
        dataset(Version(None, OLD)).save(data(NOISE))
    assert files_in(tmp_path) == []  # no folder either
    dataset(Version(None, OLD)).save(data("old"))
    before = files_in(tmp_path)
    assert before == [name, f"{name}/{OLD}", f"{name}/{OLD}/{name}"]
    with full_disk(), pytest.raises(DatasetError, match=DISK_FULL):
        dataset(Version(None, NEW)).save(data(NOISE))
    assert files_in(tmp_path) == before
    newest = dataset(Version(None, None))
    assert newest.resolve_load_version() == OLD
    assert str(newest.load()) == str(data("old"))
    dataset(Version(None, NEW)).save(data(NOISE))  # once there is room
    assert dataset(Version(None, None)).resolve_load_version() == NEW
    assert str(dataset(Version(None, None)).load()) == str(data(NOISE))


def test_a_value_that_is_no_json_leaves_nothing(tmp_path: Path) -> None:
    dataset = JSONDataset(filepath=str(tmp_path / "a.json"), version=Version(None, OLD))
    with pytest.raises(DatasetError, match="not JSON serializable"):
        dataset.save({"a": NOISE, "b": object()})
    assert files_in(tmp_path) == []


def test_a_file_that_is_not_versioned_stays_as_it_was(tmp_path: Path) -> None:
    dataset = JSONDataset(filepath=str(tmp_path / "a.json"))
    dataset.save({"a": 1})
    with full_disk(), pytest.raises(DatasetError, match=DISK_FULL):
        dataset.save({"a": NOISE})
    assert files_in(tmp_path) == ["a.json"]
    assert dataset.load() == {"a": 1}


def test_other_ways_of_writing_are_whole_too(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    opened = replacing(path)  # without `with`, as libraries do
    opened.write("a")
    assert not path.exists()
    opened.close()
    opened.close()
    assert path.read_text() == "a"
    with replacing(path) as file:
        file.write("b")
        file.close()  # as a library may do after its own failure
        assert path.read_text() == "a"
    assert path.read_text() == "b"
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "c/d.txt") as file:
        file.write(str(1 / 0))
    assert files_in(tmp_path) == ["a.txt"]
    with pytest.raises(FileNotFoundError):
        files.WholeFiles(auto_mkdir=False).open(str(tmp_path / "none/a.txt"), "w")
    (tmp_path / "link.txt").symlink_to(path)
    with replacing(tmp_path / "link.txt") as file:
        file.write("c")
    assert path.read_text() == "c"


KILLED = """
import sys, time
from kedro.io import Version
from kedro_datasets.json import JSONDataset
import preflight
class Slow(dict):
    def items(self):
        yield "a", "x" * 1_000_000
        print("half", flush=True)
        time.sleep(600)
JSONDataset(filepath=sys.argv[1], version=Version(None, sys.argv[2])).save(Slow(a=1))
"""


def test_a_kill_leaves_a_temporary_file_at_most(tmp_path: Path) -> None:
    path = tmp_path / "data/08_reporting/verdict.json"
    JSONDataset(filepath=str(path), version=Version(None, OLD)).save({"a": 1})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(path), NEW]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout and process.stdout.readline() == "half\n"
        process.kill()
    left = [path for path in (path / NEW).iterdir() if path.stat().st_size > 0]
    assert [file.suffix for file in left] == [files.UNFINISHED]
    newest = JSONDataset(filepath=str(path), version=Version(None, None))
    assert newest.resolve_load_version() == OLD
    assert newest.load() == {"a": 1}
    assert [one["what"] for one in list_versions(tmp_path)] == ["orphan: no manifest"] * 2
    assert files.abandoned(tmp_path) == []  # a writer may be at work
    yesterday = time.time() - files.ABANDONED - 1
    os.utime(left[0], (yesterday, yesterday))
    assert files.abandoned(tmp_path) == left


def write_pointer(folder: Path, text: str) -> None:
    file = {"path": "data/a", "version": text, "sha256": "1" * 64}
    champion.promote(folder / "champion.json", champion.champion_record(file, run=text))


def write_raw_manifest(folder: Path, text: str) -> None:
    (folder / f"{text[:100]}.csv").write_text("a\n1\n")
    for number in range(len(text) // 1000):
        (folder / f"{number}.csv").write_text("a\n1\n")
    accept(folder)


@pytest.mark.parametrize(
    ("write", "name"), [(write_pointer, "champion.json"), (write_raw_manifest, "manifest.json")]
)
def test_what_a_project_writes_itself_is_whole_too(
    write: Callable[[Path, str], None], name: str, tmp_path: Path
) -> None:
    write(tmp_path, "old")
    before = (tmp_path / name).read_text()
    if write is write_pointer:  # of the one that it was judged against
        (tmp_path / name).write_text(json.dumps(json.loads(before) | {"champions": []}))
        before = (tmp_path / name).read_text()
    with full_disk(), pytest.raises(OSError, match=DISK_FULL):
        write(tmp_path, NOISE)
    assert (tmp_path / name).read_text() == before
    assert list(tmp_path.glob(f"*{files.UNFINISHED}")) == []


def test_the_disk_is_full_for_a_writer_that_renames_nothing(tmp_path: Path) -> None:
    disk: AbstractContextManager[None] = full_disk()
    with disk, pytest.raises(OSError, match=DISK_FULL), (tmp_path / "a").open("w") as file:
        file.write(NOISE)
    assert (tmp_path / "a").stat().st_size == FULL
