"""The log of predictions: nothing twice, nothing torn, old rows readable, rows removable."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

import preflight
from preflight.contracts.table import column
from preflight.errors import RunError
from preflight.inference.contracts import LogColumns
from preflight.inference.prediction_log import LoggedDays, PredictionLog, log_rows
from preflight.problem.framing import Framing
from preflight.problem.sections import Prediction

from late_flights.contracts.derived import PredictionLog as Contract
from late_flights.contracts.features import Features

CONTRACT = "late_flights.contracts.derived.PredictionLog"
NEW = ["label_due_at", "unit", "variant", "untouched", "log_version"]  # of the second version
MOMENTS = pd.to_datetime(["2013-01-01 23:59", "2013-01-02 00:01"]).tz_localize("UTC").as_unit("us")


def answers(carrier: str = "AA", model: str = "v1", moment: pd.Timestamp | None = None) -> Any:
    """Two rows of the log, of two days."""
    told = pd.DataFrame(
        {
            "carrier": pd.Categorical([carrier, "UA"]),
            "flight": np.array([1, 2], dtype="int32"),
            "origin": pd.Categorical(["JFK", "EWR"]),
            "scheduled_departure": MOMENTS,
            "predict_at": MOMENTS,
            "moment": MOMENTS if moment is None else [moment] * 2,
            "probability": [0.1, 0.2],
            "act": [True, False],
            "model": model,
            "reasons": "",
            "flags": "",
            "source": "batch",
        }
    ).astype({"model": "str", "reasons": "str", "flags": "str", "source": "str"})
    features = {name: 1.0 for name in Features.names() if name not in told}
    asked = pd.DataFrame(features, told.index, dtype="float32")
    told = pd.concat([told, asked.assign(dest=told["carrier"], expected_seats=50)], axis=1).astype(
        {"expected_seats": "float32"}
    )
    return log_rows(told.assign(untouched=False), known_in(hours=72), "batch")


def known_in(hours: float) -> Any:
    """What a row of the log needs of a framing."""
    return Framing.model_construct(prediction=Prediction(label_known_hours=hours))


def test_what_was_answered_is_logged_once(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    assert not log.exists()
    with pytest.raises(DatasetError, match="nothing was predicted yet"):
        log.load()
    log.save(answers())
    log.save(answers())
    files = sorted((tmp_path / "log").rglob("*.parquet"))
    assert [path.parent.name for path in files] == ["day=2013-01-01", "day=2013-01-02"]
    files[0].with_suffix(".half-made").write_text("what a crash leaves")
    pd.testing.assert_frame_equal(Contract.validate(log.load()), answers(), check_like=True)
    log.save(answers(carrier="DL"))  # one row is new
    log.save(answers(model="v2"))  # both are another model's
    assert len(Contract.validate(log.load())) == 5


def test_of_rows_that_are_partly_logged_the_others_alone_are_written(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    log.save(answers(moment=MOMENTS[0]))
    log.save(answers(carrier="DL", moment=MOMENTS[0]))  # one row is new
    written = [len(pd.read_parquet(path)) for path in (tmp_path / "log").rglob("*.parquet")]
    assert sorted(written) == [1, 2]


def test_files_of_days_that_are_over_become_one(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    for carrier in ("AA", "DL", "B6"):
        log.save(answers(carrier=carrier))
    now = pd.Timestamp.now("UTC").as_unit("us")
    for wait in range(2):
        log.save(answers(moment=now + pd.Timedelta(seconds=wait)))
    before, today = log.load(), set((tmp_path / "log").glob(f"day={now:%Y-%m-%d}/*"))
    twice = next((tmp_path / "log/day=2013-01-01").iterdir())
    assert log.compact() == 3
    assert {len(list(day.iterdir())) for day in (tmp_path / "log").glob("day=2013*")} == {1}
    assert set((tmp_path / "log").glob(f"day={now:%Y-%m-%d}/*")) == today
    key = Contract.grain()
    after = Contract.validate(log.load())
    pd.testing.assert_frame_equal(
        *(
            rows.astype({"carrier": "str"}).sort_values(key, ignore_index=True)
            for rows in (before, after)
        )
    )
    assert not twice.exists()
    answers(carrier="AA").head(1).to_parquet(twice)  # as if it was killed before the end
    assert len(log.load()) == len(before)
    assert log.compact() == 2


def test_of_two_that_log_the_same_at_once_one_row_is_read(tmp_path: Path) -> None:
    one, two = (PredictionLog(str(tmp_path / name), CONTRACT) for name in "ab")
    one.save(answers())
    two.save(answers())
    for file in (tmp_path / "b").rglob("*.parquet"):
        file.rename(tmp_path / "a" / file.parent.name / file.name)
    assert len(list((tmp_path / "a").rglob("*.parquet"))) == 4
    assert len(one.load()) == 2


LOG_FOREVER = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import pandas as pd
from test_prediction_log import CONTRACT, MOMENTS, answers
from preflight.inference.prediction_log import PredictionLog
log = PredictionLog(sys.argv[3], CONTRACT)
print("ready", flush=True)
while True:
    for minute in range(50):
        log.save(answers(moment=MOMENTS[0] + pd.Timedelta(minutes=minute)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9")
def test_killed_at_any_moment_the_log_is_whole_and_free_of_doubles(tmp_path: Path) -> None:
    source = str(Path(preflight.__file__).parents[1])
    command = [sys.executable, "-c", LOG_FOREVER, source, str(Path(__file__).parent)]
    where = tmp_path / "log"
    log = PredictionLog(str(where), CONTRACT)
    for i in range(3):
        with subprocess.Popen([*command, str(where)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            before = len([*where.rglob("*.parquet")])
            while len([*where.rglob("*.parquet")]) < before + 3:
                time.sleep(0.01)
            time.sleep(0.013 * i)
            process.kill()
    rows = Contract.validate(log.load())
    assert len(rows) > 2
    for minute in range(50):
        log.save(answers(moment=MOMENTS[0] + pd.Timedelta(minutes=minute)))
    assert len(Contract.validate(log.load())) == 100


def test_a_damaged_file_of_the_log_is_named_with_what_to_do(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    log.save(answers())
    log.save(answers(carrier="B6"))
    damaged, *_ = sorted((tmp_path / "log").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    for use in (log.load, log.compact, lambda: log.save(answers(carrier="DL"))):
        with pytest.raises(DatasetError, match=f"is damaged: {damaged}.* move it out of the log"):
            use()
    damaged.unlink()
    assert len(log.load()) == 2


def test_a_row_says_when_its_label_is_due_and_of_which_version_it_is() -> None:
    row = answers().iloc[0]
    assert row["label_due_at"] - row["predict_at"] == pd.Timedelta(hours=72)
    assert row["log_version"] == 3
    assert pd.isna(row["unit"])
    assert pd.isna(row["variant"])
    assert not row["untouched"]


@pytest.mark.parametrize("others", [[], [answers(carrier="DL")]])
def test_a_log_of_the_first_version_is_read_with_nulls_where_columns_came_later(
    tmp_path: Path, others: list[pd.DataFrame]
) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    for rows in (answers().drop(columns=NEW), *others):
        log.save(rows)
    read = Contract.validate(log.load())
    assert len(read) == 2 + len(others)  # a row of DL is new
    old = read[read["log_version"].isna()]
    assert len(old) == 2
    assert old[NEW].isna().all(axis=None)
    pd.testing.assert_frame_equal(
        old[answers().columns.drop(NEW)].reset_index(drop=True).astype({"carrier": "str"}),
        answers().drop(columns=NEW).astype({"carrier": "str"}),
        check_categorical=False,
    )


class Deliveries(LogColumns, key=["parcel", "moment", "model"]):
    """One row per parcel, moment and model, by features that came and went."""

    parcel: int = column("the parcel")
    weight: float = column("came later", "kg", group="order")
    place: pd.CategoricalDtype = column("came later", group="order")


def test_a_log_is_read_although_its_features_have_changed(tmp_path: Path) -> None:
    now = answers()[[*LogColumns.to_schema().columns.keys() & answers().columns]]
    log = PredictionLog(str(tmp_path / "log"), f"{__name__}.Deliveries")
    log.save(now.assign(parcel=[1, 2], gone=1.0))
    log.save(now.assign(parcel=[3, 4], weight=2.0, place=pd.Categorical(["north", "west"])))
    read = Deliveries.validate(log.load()).sort_values("parcel")
    assert read["weight"].isna().tolist() == [True, True, False, False]
    assert read["place"].tolist()[2:] == ["north", "west"]
    assert "gone" not in read
    log.compact()
    files = (tmp_path / "log").rglob("*.parquet")
    assert all("gone" in pd.read_parquet(file) for file in files)  # what is not read is kept


def read_parts(log: LoggedDays) -> dict[str, pd.DataFrame]:
    return {day: rows() for day, rows in log.load().items()}


def test_the_log_is_read_in_parts_of_whole_days(tmp_path: Path) -> None:
    log = LoggedDays(str(tmp_path / "log"), CONTRACT)
    assert log.load() == {}
    log.save(answers())
    log.save(answers(carrier="DL"))
    parts = read_parts(log)
    assert {day: len(rows) for day, rows in parts.items()} == {"2013-01-01": 3}
    Contract.validate(parts["2013-01-01"])
    for rows in (1, 2):  # a day that is larger is read alone, and no part has half a day
        smaller = read_parts(LoggedDays(str(tmp_path / "log"), CONTRACT, part_rows=rows))
        assert {day: len(part) for day, part in smaller.items()} == {
            "2013-01-01": 2,
            "2013-01-02": 1,
        }
        together = pd.concat(smaller.values(), ignore_index=True)
        assert together.astype(str).equals(parts["2013-01-01"].astype(str))


def test_a_value_against_the_contract_is_named_with_its_file(tmp_path: Path) -> None:
    log = LoggedDays(str(tmp_path / "log"), CONTRACT)
    log.save(answers())
    log.save(answers(carrier="DL"))
    read_parts(log)
    (file,) = (tmp_path / "log/day=2013-01-02").iterdir()
    pd.read_parquet(file).assign(probability=2.0).to_parquet(file)
    with pytest.raises(DatasetError, match=f"breaks its contract .*{file.name}.*probability"):
        read_parts(log)


def test_a_damaged_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    log = LoggedDays(str(tmp_path / "log"), CONTRACT)
    log.save(answers())
    (file, *_) = (tmp_path / "log/day=2013-01-02").iterdir()
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DatasetError, match=rf"is damaged: .*{file.name} \(.*\)\. Restore it"):
        log.load()


def test_a_file_that_lacks_the_key_or_a_time_zone_is_named(tmp_path: Path) -> None:
    log = LoggedDays(str(tmp_path / "log"), CONTRACT)
    log.save(answers())
    log.save(answers(carrier="DL"))
    (file,) = (tmp_path / "log/day=2013-01-02").iterdir()
    rows = pd.read_parquet(file)
    for broken, why in (
        (
            rows.drop(columns=["flight", "moment"]),
            r"is damaged: .*{} \(it has no column flight, mom",
        ),
        (
            rows.assign(moment=rows["moment"].dt.tz_localize(None)),
            "breaks its contract .*{}.*moment",
        ),
    ):
        broken.to_parquet(file)
        with pytest.raises(DatasetError, match=why.format(file.name)):
            read_parts(log)
    rows.to_parquet(file)
    assert len(read_parts(log)["2013-01-01"]) == 3


@pytest.mark.parametrize(
    ("before", "where", "left"),
    [
        ("2013-01-02", {}, ["UA"]),  # all of the first day
        ("2013-01-01", {}, ["AA", "DL", "UA"]),
        (None, {"carrier": "AA"}, ["DL", "UA"]),
        (None, {"carrier": "AA", "flight": "2"}, ["AA", "DL", "UA"]),
        (None, {"carrier": "UA", "flight": "2"}, ["AA", "DL"]),
        ("2013-01-02", {"carrier": "DL"}, ["AA", "UA"]),
        ("2013-01-02", {"carrier": "UA"}, ["AA", "DL", "UA"]),
    ],
)
def test_rows_are_deleted_by_age_and_by_key_and_no_others(
    tmp_path: Path, before: str | None, where: dict[str, str], left: list[str]
) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    log.save(answers())
    log.save(answers(carrier="DL"))
    until = pd.Timestamp(before, tz="UTC") if before else None
    found = log.find(until, where)
    assert len(log.load()) == 3  # finding deletes nothing
    log.delete(found)
    assert sorted(Contract.validate(log.load())["carrier"]) == left
    assert log.find(until, where) == {}


def test_rows_that_share_a_file_with_deleted_ones_stay(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    log.save(answers(moment=MOMENTS[0]))
    (before,) = (tmp_path / "log").rglob("*.parquet")
    log.delete(log.find(None, {"carrier": "AA"}))
    (after,) = (tmp_path / "log").rglob("*.parquet")
    assert before != after
    pd.testing.assert_frame_equal(
        log.load(), answers(moment=MOMENTS[0]).iloc[1:].reset_index(drop=True), check_like=True,
        check_categorical=False,
    )  # fmt: skip


def test_a_column_that_is_not_in_the_key_is_refused_by_name(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path / "log"), CONTRACT)
    log.save(answers())
    with pytest.raises(RunError, match=r"slack is not in the key of the log: carrier, flight, "):
        log.find(None, {"slack": "1.0"})
