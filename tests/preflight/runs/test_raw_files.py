"""The manifest finds each fault of the raw data, and a new version is taken on purpose only."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from preflight.cli.commands import cli
from preflight.errors import RunError
from preflight.runs.raw_files import (
    MANIFEST,
    UNFILLED,
    accept,
    count_rows,
    list_unfilled,
    read,
    verify,
)

PROJECT = Path(__file__).parents[3]
NAMES = ["one.csv", "two.csv.zip"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder with two data files whose manifest is filled in: the clean twin, in a repository."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("no data\n")
    (tmp_path / ".gitkeep").touch()
    frame = pd.DataFrame({"key": [None, 2, 3], "value": list("abc")})
    for name in NAMES:
        frame.to_csv(tmp_path / name, index=False)
    accept(tmp_path)
    fill_in(tmp_path)
    return tmp_path


def fill_in(folder: Path, **fields: str) -> None:
    path = folder / MANIFEST
    entries = json.loads(path.read_text())
    for entry in entries.values():
        entry.update({"source": "a test", "licence": "CC0-1.0"} | fields)
    path.write_text(json.dumps(entries))


def test_clean_data_have_no_fault(raw: Path) -> None:
    assert verify(raw, NAMES) == []


def test_changed_byte_is_found_though_size_and_rows_stay(raw: Path) -> None:
    path = raw / "one.csv"
    path.write_bytes(path.read_bytes().replace(b"c", b"d"))
    (fault,) = verify(raw, NAMES)
    assert f"{path} has changed" in fault
    assert "git restore" in fault
    assert "make accept" in fault


def test_missing_file_is_found(raw: Path) -> None:
    (raw / "one.csv").unlink()
    (fault,) = verify(raw, NAMES)
    assert "one.csv is missing" in fault
    assert "git restore" in fault


def test_unlisted_file_is_found(raw: Path) -> None:
    (raw / "three.csv").write_text("key\n1\n")
    (fault,) = verify(raw, [*NAMES, "three.csv"])
    assert f"three.csv is not in {MANIFEST}" in fault
    assert "make accept" in fault


def test_git_is_the_remedy_only_in_a_repository(raw: Path) -> None:
    def told() -> list[str]:
        faults = verify(raw, NAMES)
        manifest = (raw / MANIFEST).read_bytes()
        for broken in (b"{", None):
            (raw / MANIFEST).write_bytes(broken) if broken else (raw / MANIFEST).unlink()
            faults += verify(raw, NAMES)
        (raw / MANIFEST).write_bytes(manifest)
        return faults

    (raw / "one.csv").unlink()
    (raw / "two.csv.zip").write_bytes(b"")
    with_git = told()
    (raw / ".git").rmdir()
    without = told()
    assert len(with_git) == len(without) == 4
    assert all("Restore it with `git restore " in fault for fault in with_git)
    assert all("Restore it from a backup or its source" in fault for fault in without)
    assert "git restore" not in "".join(without)


@pytest.mark.parametrize("field", ["source", "licence"])
def test_field_that_is_not_filled_in_is_listed(raw: Path, field: str) -> None:
    assert list_unfilled(raw) == []
    fill_in(raw, **{field: UNFILLED})
    assert verify(raw, NAMES) == []
    assert list_unfilled(raw) == [
        f"{field} of {name} in {raw / MANIFEST} is still {UNFILLED!r}" for name in NAMES
    ]


def test_all_faults_are_named_at_once(raw: Path) -> None:
    (raw / "one.csv").unlink()
    (raw / "two.csv.zip").write_bytes(b"")
    faults = verify(raw, [*NAMES, "three.csv"])
    assert len(faults) == 3


def test_only_the_named_files_are_verified(raw: Path) -> None:
    (raw / "one.csv").unlink()
    assert verify(raw, ["two.csv.zip"]) == []


def test_missing_manifest_is_a_fault(raw: Path) -> None:
    (raw / MANIFEST).unlink()
    (fault,) = verify(raw, NAMES)
    assert "is missing" in fault


@pytest.mark.parametrize("text", ["{", '{"one.csv": {"sha256": "short"}}', "[]"])
def test_broken_manifest_is_a_fault_and_is_not_overwritten(raw: Path, text: str) -> None:
    (raw / MANIFEST).write_text(text)
    (fault,) = verify(raw, NAMES)
    assert "is not a valid manifest" in fault
    with pytest.raises(RunError):
        accept(raw)
    assert (raw / MANIFEST).read_text() == text


def test_accepting_what_is_there_changes_nothing(raw: Path) -> None:
    before = read(raw)
    assert accept(raw) == [f"{name}: unchanged, 3 rows" for name in NAMES]
    assert read(raw) == before


def test_accept_takes_a_new_version_and_keeps_its_source(raw: Path) -> None:
    with (raw / "one.csv").open("a") as file:
        file.write("4,d\n5,e\n")
    changes = accept(raw)
    assert changes[0] == "one.csv: changed, 3 -> 5 rows"
    assert read(raw)["one.csv"].source == "a test"
    assert verify(raw, NAMES) == []


def test_accepted_new_file_has_to_be_filled_in_before_deployment(raw: Path) -> None:
    (raw / "three.csv").write_text("key\n1\n")
    changes = accept(raw)
    assert changes[1].startswith("three.csv: new, 1 rows; before you deploy, write its source")
    assert verify(raw, ["three.csv"]) == []
    assert len(list_unfilled(raw)) == 2
    fill_in(raw)
    assert list_unfilled(raw) == []


def test_accept_drops_the_entry_of_a_file_that_is_gone(raw: Path) -> None:
    (raw / "one.csv").unlink()
    assert accept(raw)[0] == "one.csv: no longer there, its entry is dropped"
    assert list(read(raw)) == ["two.csv.zip"]


def test_accept_leaves_nothing_but_the_manifest_behind(raw: Path) -> None:
    before = set(raw.iterdir())
    accept(raw)
    assert set(raw.iterdir()) == before


def test_parquet_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    pd.DataFrame({"key": range(7)}).to_parquet(path, index=False)
    assert count_rows(path) == 7


def test_file_whose_rows_cannot_be_counted_is_refused(raw: Path) -> None:
    (raw / "one.xlsx").touch()
    before = read(raw)
    with pytest.raises(RunError, match=r"one\.xlsx: only the rows of CSV and Parquet"):
        accept(raw)
    assert read(raw) == before


def test_the_embedded_data_are_what_their_manifest_says() -> None:
    folder = PROJECT / "data/01_raw"
    assert verify(folder, read(folder)) == []


def accept_by_command(project: Path) -> Result:
    for folder in ("base", "local"):
        (project / "conf" / folder).mkdir(parents=True, exist_ok=True)
    entry = {"type": "pandas.CSVDataset", "filepath": "data/01_raw/two.csv"}
    catalog = {"raw_two": entry | {"load_args": {"sep": ";", "encoding": "latin-1"}}}
    (project / "conf/base/catalog.yml").write_text(json.dumps(catalog))
    return CliRunner().invoke(cli, ["accept-data"], obj=SimpleNamespace(project_path=project))


def test_the_command_accepts_the_raw_data_of_the_project(tmp_path: Path) -> None:
    folder = tmp_path / "data/01_raw"
    folder.mkdir(parents=True)
    (folder / "one.csv").write_text("key\n1\n2\n")
    (folder / "two.csv").write_text("key;name\n1;ü\n", "latin-1")  # as the catalog says
    result = accept_by_command(tmp_path)
    assert result.exit_code == 0
    assert result.output.startswith("one.csv: new, 2 rows")
    assert "two.csv: new, 1 rows" in result.output
    assert list(read(folder)) == ["one.csv", "two.csv"]
    (folder / "one.csv").write_text("key;name\n1;ü\n", "latin-1")
    assert "one.csv, data row 1: byte 0xfc is not UTF-8" in accept_by_command(tmp_path).output


def test_the_command_says_why_it_refuses_without_a_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "data/01_raw"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{")
    result = accept_by_command(tmp_path)
    assert result.exit_code == 1
    assert "is not a valid manifest" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("new.parquet", r"can't be read, .* Restore it with `git restore"),
        ("new.csv.zip", "can't be unpacked"),
        ("new.csv", "is in UTF-16"),
    ],
)
def test_a_damaged_file_is_not_accepted(raw: Path, name: str, said: str) -> None:
    table, path, before = pd.DataFrame({"key": range(99)}), raw / name, read(raw)
    table.to_parquet(path) if "parquet" in name else table.to_csv(path, index=False)
    assert count_rows(path) == 99
    path.write_bytes(b"\xff\xfe" if name == "new.csv" else path.read_bytes()[:200])
    with pytest.raises(RunError, match=f"{name} {said}"):
        accept(raw)
    assert read(raw) == before
