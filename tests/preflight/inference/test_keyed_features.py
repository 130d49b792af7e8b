"""Features by key: what is saved is found again to the bit, of one version, or one message."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from pandera.dtypes import Float32, Int16

from preflight import datasets
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import Table, Utc, column
from preflight.errors import RunError
from preflight.inference.contracts import KeyedColumns
from preflight.inference.keyed_features import KeyedFeatures, key_upcoming, key_values
from preflight.problem.framing import Framing

HOUR = pd.Timedelta(hours=1)
NOON = pd.Timestamp("2024-05-01T12:00", tz="UTC").as_unit("us")


class Key(Table, key=["shop", "at"]):
    """A delivery."""

    shop: pd.CategoricalDtype = column("its name")
    at: Utc = column("its time", "UTC")


class Deliveries(Key):
    """Features of each kind."""

    predict_at: Utc = column("moment of prediction", "UTC")
    kind: pd.CategoricalDtype = column("of goods", nullable=True, group="goods")
    fragile: bool = column("breaks", group="goods")
    weight: float = column("heavy", "kg", nullable=True, group="goods")
    noise: Float32 = column("loud", "dB", nullable=True, group="goods")
    floors: Int16 = column("up", group="goods")


class Keyed(KeyedColumns, Deliveries):
    """Features of deliveries by key."""


class Another(KeyedColumns, Key):
    """Other features."""

    predict_at: Utc = column("moment of prediction", "UTC")
    kind: pd.CategoricalDtype = column("of goods", nullable=True, group="goods")
    fragile: bool = column("breaks", group="goods")
    noise: float = column("loud", "dB", nullable=True, group="goods")
    floors: Int16 = column("up", group="goods")
    size: float = column("large", group="goods")


CONTRACTS: Any = {"upcoming": Deliveries, "keyed_features": Keyed}


def deliveries(
    *shops: str, moment: pd.Timestamp = NOON, kept: Any = HOUR, run: str = "r1", **values: Any
) -> pd.DataFrame:
    """Rows of some shops, of which each has other awkward values."""
    n, due = len(shops), moment - pd.Timedelta(123_457, "us")
    rows = pd.DataFrame(
        {
            "shop": pd.Categorical(shops),
            "at": pd.date_range(moment + HOUR, periods=n, freq="h", unit="us"),
            "predict_at": pd.date_range(due, periods=n, freq="-1h", unit="us"),
            "kind": pd.Categorical([None, 'a "b", {c}', "ü"] * n)[:n],
            "fragile": ([True, False] * n)[:n],
            "weight": ([0.1 + 0.2, np.nan, -0.0, 5e-324] * n)[:n],
            "noise": np.array(([0.1, np.nan, -0.0, 3e38] * n)[:n], "float32"),
            "floors": np.arange(n, dtype="int16"),
            "moment": moment,
            "lacks": (["", "kind missing"] * n)[:n],
            "run": run,
            "kept_until": moment + kept,
        }
    )
    moments = dict.fromkeys(("moment", "kept_until"), "datetime64[us, UTC]")
    return Keyed.validate(rows.astype(moments).assign(**values))


@pytest.fixture
def table(tmp_path: Path) -> KeyedFeatures:
    return KeyedFeatures(str(tmp_path / "new/keyed.sqlite"), f"{__name__}.Keyed")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {f"{__name__}.{one.__name__}": one for one in (Keyed, Another)}
    monkeypatch.setattr(datasets, "load_obj", classes.__getitem__)


def plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of the key, with texts in place of categories."""
    texts = dict.fromkeys(rows.select_dtypes("category"), "str")
    return rows.astype(texts).sort_values(["shop", "at"], ignore_index=True)


def shops(table: KeyedFeatures) -> list[str]:
    return sorted(table.load()["shop"])


def test_what_is_saved_is_loaded_to_the_bit(table: KeyedFeatures) -> None:
    rows = deliveries("x", "y", "z", "w", "v", "u", "t", "s")
    table.save(rows)
    loaded = Keyed.validate(table.load())
    pd.testing.assert_frame_equal(plain(loaded), plain(rows)[loaded.columns], check_exact=True)
    for name in ("weight", "noise"):  # a comparison takes -0.0 for 0.0
        expected = plain(rows)[name].to_numpy()
        np.testing.assert_array_equal(
            np.signbit(plain(loaded)[name].to_numpy()), np.signbit(expected)
        )


def test_a_key_finds_its_row_and_no_other(table: KeyedFeatures) -> None:
    rows = deliveries("x", "y")
    table.save(rows)
    keys = key_values([np.array(["x", "y"], object), rows["at"].dt.tz_localize(None).to_numpy()])
    snapshot = table.open()
    first, second = (snapshot.find(key) for key in keys)
    assert first is not None
    assert second is not None
    assert first.row.startswith('{"shop":"x","at":"2024-05-01T13:00:00Z","predict_at":')
    assert (first.moment, first.lacks, first.run) == (NOON.value // 1000, "", "r1")
    assert (second.lacks, snapshot.version) == ("kind missing", "r1")
    assert snapshot.find(("x", keys[1][1])) is None
    assert snapshot.find(('x"; --', 0)) is None


def test_the_values_of_a_key_are_those_that_sqlite_can_hold() -> None:
    largest = np.array([2**64 - 1, 2**63, 1], "uint64")
    moments = np.array(["2024-05-01", "1969-12-31T23:59:59.999999999", "2024-05-01"], "M8[ns]")
    keys = key_values([largest, moments, np.array([True, False, True])])
    assert keys == [
        (-1, 1714521600000000, True),
        (-(2**63), -1, False),
        (1, 1714521600000000, True),
    ]


def test_rows_are_deleted_when_they_need_not_be_kept_any_longer(table: KeyedFeatures) -> None:
    table.save(deliveries("a", "b", kept=HOUR))
    table.save(deliveries("c", moment=NOON + pd.Timedelta(minutes=59), run="r2"))
    assert shops(table) == ["a", "b", "c"]
    assert table.open().version == "r2"
    table.save(deliveries("d", moment=NOON + HOUR, run="r3"))
    assert shops(table) == ["c", "d"]
    table.save(deliveries("e", moment=NOON - 9 * HOUR, run="r4"))  # a backfill of what is over
    assert shops(table) == ["c", "d"]


def test_of_two_rows_with_a_key_the_later_one_stays(table: KeyedFeatures) -> None:
    rows = deliveries("a", kept=9 * HOUR)
    for minutes, run, expected in (
        (0, "r1", "r1"),
        (5, "r2", "r2"),
        (5, "r3", "r3"),
        (1, "r4", "r3"),
    ):
        moment = NOON + pd.Timedelta(minutes=minutes)
        table.save(rows.assign(moment=moment.as_unit("us"), run=run))
        assert table.load()["run"].tolist() == [expected]


def test_a_run_without_decisions_changes_nothing_but_leaves_a_table(table: KeyedFeatures) -> None:
    table.save(Keyed.empty())
    assert table.load().empty
    Keyed.validate(table.load())
    table.save(deliveries("a"))
    table.save(Keyed.empty())
    assert (shops(table), table.open().version) == (["a"], "r1")


def test_the_same_rows_make_the_same_bytes(table: KeyedFeatures, tmp_path: Path) -> None:
    other = KeyedFeatures(str(tmp_path / "other.sqlite"), f"{__name__}.Keyed")
    rows = deliveries(*"abcd")
    table.save(rows)
    other.save(rows.iloc[::-1].reset_index(drop=True))
    assert (tmp_path / "new/keyed.sqlite").read_bytes() == (tmp_path / "other.sqlite").read_bytes()


def test_two_runs_that_save_at_once_keep_the_rows_of_both(table: KeyedFeatures) -> None:
    names = [f"s{i}" for i in range(12)]
    threads = [threading.Thread(target=table.save, args=(deliveries(name),)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shops(table) == sorted(names)


def test_an_open_version_stays_whatever_is_saved_or_overwritten(
    table: KeyedFeatures, tmp_path: Path
) -> None:
    table.save(deliveries("a"))
    stamp, before = table.stamp(), table.open()
    table.save(deliveries("a", moment=NOON + 5 * HOUR, run="r2"))
    assert table.stamp() != stamp
    path = tmp_path / "new/keyed.sqlite"
    path.write_bytes(b"\0" * path.stat().st_size)
    assert [row[-3] for row in before.rows()] == ["r1"]
    path.unlink()
    assert table.stamp() is None
    found = before.find(("a", (NOON + HOUR).value // 1000))
    assert found is not None
    assert found.run == "r1"


def test_a_table_that_was_never_written_says_how(table: KeyedFeatures) -> None:
    assert not table.exists()
    with pytest.raises(DatasetError, match=r"no table .*keyed\.sqlite\. .*--pipelines inference"):
        table.load()


def spoil(path: Path, **changes: Any) -> None:
    """Change the file as no run would."""
    with sqlite3.connect(path) as file:
        for name, value in changes.items():
            file.execute(f"UPDATE about SET value = ? WHERE name = '{name}'", (value,))
        if not changes:
            file.execute("UPDATE features SET row = replace(row, '0.3', '0.4')")
    file.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no database at all" * 500),
        lambda path: path.write_bytes(path.read_bytes()[: 4096 * 2]),
        lambda path: path.write_bytes(path.read_bytes()[:-4096]),
        spoil,
        lambda path: spoil(path, columns="{"),
        lambda path: spoil(path, sha256=None),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_replaced_by_the_next_run(
    table: KeyedFeatures,
    tmp_path: Path,
    damage: Callable[[Path], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    many = deliveries(*(f"s{i}" for i in range(30)))
    table.save(many)
    assert len(table.load()) == 30
    damage(tmp_path / "new/keyed.sqlite")
    with pytest.raises(RunError, match=r"damaged: .*keyed\.sqlite \(.*--pipelines inference"):
        table.open()
    table.save(deliveries("a"))
    assert shops(table) == ["a"]
    assert "is damaged" in caplog.text


def test_a_table_of_other_features_is_refused_with_what_differs(
    table: KeyedFeatures, tmp_path: Path
) -> None:
    table.save(deliveries("a"))
    other = KeyedFeatures(str(tmp_path / "new/keyed.sqlite"), f"{__name__}.Another")
    with pytest.raises(RunError) as raised:
        other.open()
    for says in (
        "keyed.sqlite, is of other features than the contract Another",
        "column size is missing",
        "column weight is not in the contract",
        "column noise is float32, not float64",
        "Write it anew",
    ):
        assert says in str(raised.value)
    assert "floors" not in str(raised.value)


def test_rows_are_kept_until_their_decision_is_over_and_their_features_are_too_old(
    framing: Framing,
) -> None:
    rows = deliveries("a", "b", "c").drop(columns=["run", "kept_until"])  # due 0, 1 and 2 hours ago
    assert (framing.prediction.lead_minutes, framing.features_max_age) == (60, HOUR)
    keyed = Keyed.validate(key_upcoming(rows, framing, "r7", CONTRACTS))
    assert keyed["run"].tolist() == ["r7"] * 3
    assert keyed["kept_until"].tolist() == [NOON + HOUR] * 3
    prediction = framing.prediction.model_copy(update={"lead_minutes": 300})
    assert framing.serving is not None
    serving = framing.serving.model_copy(update={"features_max_age_minutes": 240})
    longer = framing.model_copy(update={"prediction": prediction, "serving": serving})
    kept = key_upcoming(rows, longer, "r7", CONTRACTS)["kept_until"]
    over = rows["predict_at"] + 5 * HOUR
    assert kept.tolist() == [over[0], NOON + 4 * HOUR, NOON + 4 * HOUR]


def test_without_decisions_there_is_an_empty_table_of_the_contract(
    framing: Framing, project_contracts: Contracts
) -> None:
    empty = project_contracts["upcoming"].empty().astype({"carrier": "str"})
    keyed = key_upcoming(empty, framing, "r1", project_contracts)
    assert project_contracts["keyed_features"].validate(keyed).empty
