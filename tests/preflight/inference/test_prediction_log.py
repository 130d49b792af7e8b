"""The log of predictions: nothing twice, nothing torn."""

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
from preflight.inference.prediction_log import PredictionLog

from late_flights.contracts.derived import PredictionLog as Contract
from late_flights.contracts.features import Features

CONTRACT = "late_flights.contracts.derived.PredictionLog"
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
    return pd.concat([told, asked.assign(dest=told["carrier"], expected_seats=50)], axis=1).astype(
        {"expected_seats": "float32"}
    )


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
    pd.testing.assert_frame_equal(Contract.validate(log.load()), answers())
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
