"""A damaged CSV is described in one sentence: file, row, remedy; a sound one passes."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from preflight.runs.csv_faults import find_fault

SOUND = 'id,name,weight\n1,"a, b",2.5\n2,"c\nd",\n\n3,ü,1\n'


@pytest.mark.parametrize(
    ("content", "load_args"),
    [
        (SOUND.encode(), {}),
        (SOUND.encode("utf-8-sig"), {}),
        (SOUND.replace("\n", "\r\n").encode(), {"dtype": {"id": "str"}}),
        (SOUND.encode("latin-1"), {"encoding": "latin-1"}),
        (SOUND.encode("utf-16"), {"encoding": "utf-16"}),
        (SOUND.replace(",", ";").encode(), {"sep": ";"}),
        (b"a remark\nid\n1\n2\n", {"skiprows": 1}),
        (b"a remark, in two parts\nid\n1\n2\n", {"skiprows": 1}),
        (b"id\n1\n2\n", {}),
    ],
)
def test_a_sound_file_has_no_fault(
    tmp_path: Path, content: bytes, load_args: dict[str, Any]
) -> None:
    path = tmp_path / "parcels.csv"
    path.write_bytes(content)
    assert find_fault(path, load_args) is None
    assert len(pd.read_csv(path, **load_args)) > 1


DEFECTS = {
    "empty": (b"", r"is empty\. Get it again"),
    "blank": (b"\n\n", r"is empty\. Get it again"),
    "a web page": (b"\n<!DOCTYPE html><p>404", "is a web page and no table"),
    "no rows": (b"id,name\n", "has a header and no rows"),
    "semicolons": (
        SOUND.replace(",", ";").encode(),
        r'by semicolons\. Write load_args: {sep: ";"}',
    ),
    "tabs": (b"id\tname\n1\ta\n", r'by tabs\. Write load_args: {sep: "\\t"}'),
    "UTF-16": (SOUND.encode("utf-16"), r"is in UTF-16\. Save it as UTF-8"),
    "latin-1": (b"id,name\n1,a\n2,\xfc\n", "data row 2: byte 0xfc is not UTF-8"),
    "a comma at the end of each row": (b"id,name\n1,a,\n2,b,\n", r"data row 1 and all others end"),
    "a comma at the end of each line": (b"id,name,\n1,a,\n", "header: it ends with ','"),
    "a column twice": (b"id,name,id\n1,a,1\n", "column id is there twice"),
    "a long row": (b"id,name\n1,a\n\n2,b,c\n", "data row 2 has 3 values, and the header 2. Quote"),
    "a short row": (b"id,name\n1,a\n2\n", "data row 2 has 1 values, and the header 2. Complete"),
    "an open quote": (b'id,name\n1,a\n2,"b\n3,c\n', "data row 2: a quote is opened and never"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_named_with_its_row_and_remedy(tmp_path: Path, defect: str) -> None:
    content, said = DEFECTS[defect]
    path = tmp_path / "parcels.csv"
    path.write_bytes(content)
    fault = find_fault(path, {})
    assert fault is not None
    assert fault.startswith(str(path))
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(fault)


@pytest.mark.parametrize("suffix", [".zip", ".gz"])
def test_a_file_that_is_cut_off_cannot_be_unpacked(tmp_path: Path, suffix: str) -> None:
    path, text = tmp_path / f"parcels.csv{suffix}", "id\n" + "\n".join(map(str, range(9_999)))
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("parcels.csv", text)
    else:
        path.write_bytes(gzip.compress(text.encode()))
    assert find_fault(path, {}) is None
    path.write_bytes(path.read_bytes()[:-100])
    assert "can't be unpacked" in (find_fault(path, {}) or "")


def test_rows_are_looked_at_if_only_some_columns_are_used(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,name\n1,a\n2\n")
    assert "data row 2 has 1 values" in str(find_fault(path, {"usecols": ["id"]}))
    assert find_fault(path, {"skiprows": 1}) is None
