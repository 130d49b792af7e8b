"""Files that a function opens itself are found and named, and only while a replay watches."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

from preflight.audit.opened_files import file_findings, watch_files


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with two files of data, and a file outside of the folder."""
    (tmp_path / "data/03_primary").mkdir(parents=True)
    table = pd.DataFrame({"one": [1, 2]})
    table.to_csv(tmp_path / "data/03_primary/table.csv")
    table.to_parquet(tmp_path / "data/03_primary/table.parquet")
    (tmp_path / "database.csv").write_text("one")
    yield tmp_path


def read_csv(data: Path) -> None:
    pd.read_csv(data / "03_primary/table.csv")


def read_parquet(data: Path) -> None:
    pd.read_parquet(data / "03_primary/table.parquet")


def by_a_way_round(data: Path) -> None:
    (data / "../data/03_primary/table.csv").read_bytes()


def list_files(data: Path) -> None:
    os.listdir(data / "03_primary")


def ask_a_database(data: Path) -> None:
    sqlite3.connect(data / "03_primary/new.db").close()


@pytest.mark.parametrize(
    ("opens", "file"),
    [
        (read_csv, "table.csv"),
        (read_parquet, "table.parquet"),
        (by_a_way_round, "table.csv"),
        (list_files, ""),
        (ask_a_database, "new.db"),
    ],
)
def test_a_file_is_found_with_the_function_that_opens_it(
    project: Path, opens: Callable[[Path], None], file: str
) -> None:
    with watch_files(project / "data") as opened:
        opens(project / "data")
    path = os.path.join("data", "03_primary", file).rstrip(os.sep)
    assert [*opened] == [path]
    line = opens.__code__.co_firstlineno + 1
    assert opened[path] == f"{opens.__name__}, line {line} of test_opened_files.py"
    (found,) = file_findings("features", opened)
    assert (found["check"], found["state"]) == ("files: features", "failed")
    assert found["evidence"].startswith(f"{path} is opened by {opens.__name__}, line ")
    assert found["evidence"].endswith("take its dataset as an input of the node")


def test_files_elsewhere_and_of_other_threads_and_times_are_not_reported(project: Path) -> None:
    read_csv(project / "data")
    with watch_files(project / "data") as opened:
        (project / "database.csv").read_text()  # its name begins like the folder's
        thread = Thread(target=read_csv, args=[project / "data"])
        thread.start()
        thread.join()
    read_csv(project / "data")
    assert opened == {}
    (found,) = file_findings("features", opened)
    assert found["state"] == "passed"
