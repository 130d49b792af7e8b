"""The count of test evaluations: what is the same test set, the same candidate, and what is not."""

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError
from kedro.validation import DataValidationError

from preflight.evaluation import contracts as results
from preflight.evaluation.ledger import (
    EvaluationLedger,
    candidates_before,
    count_test_evaluation,
    describe_evaluation,
    one_sided_level,
    overlaps,
)
from preflight.problem.framing import Framing

PROJECT = Path(__file__).parents[3]
Table = pd.DataFrame
Entry = dict[str, Any]
Entries = list[Entry]
RUN = "2013-07-01T00.00.00.000Z"
KEY = ["parcel"]


def parcels(rows: int = 3000, start: str = "2013-04-01", days: int = 60, seed: int = 0) -> Table:
    """Predictions on test, in the order of prediction: an hour before each parcel leaves."""
    rng = np.random.default_rng(seed)
    leaves = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.arange(rows) / rows * days, "D")
    probability = rng.random(rows)
    return pd.DataFrame(
        {
            "parcel": np.arange(rows) + 1000 * seed,
            "predict_at": leaves.as_unit("us") - pd.Timedelta("1h"),
            "label": (rng.random(rows) < probability).astype("int8"),
            "probability": probability,
            "act": probability > 0.2,
        }
    )


def with_other_decision(predictions: Table, row: int = 0) -> Table:
    """The predictions with one decision that differs: another candidate."""
    act = predictions["act"].to_numpy(copy=True)
    act[row] = ~act[row]
    return predictions.assign(act=act)


@pytest.fixture
def use(framing: Framing, contracts: Any) -> Callable[..., Entry]:
    """Evaluates on test, adds to the ledger as the catalog does, and returns the usage."""

    def used(
        ledger: Entries, predictions: Table, framed: Framing = framing, what_if: Any = ()
    ) -> Entry:
        new, usage = count_test_evaluation(
            predictions, list(ledger), list(what_if), RUN, framed, contracts
        )
        assert results.test_evaluations.validate(new) == new
        results.TestSetUsage.model_validate(usage)
        ledger += new
        return usage

    return used


Use = Callable[..., Entry]


def test_candidates_are_numbered_in_the_order_in_which_they_were_first_evaluated(use: Use) -> None:
    ledger: Entries = []
    candidates = [with_other_decision(parcels(), row) for row in range(4)]
    usages = [use(ledger, one) for one in candidates]
    assert [usage["number"] for usage in usages] == [1, 2, 3, 4]
    assert [usage["candidates"] for usage in usages] == [1, 2, 3, 4]
    levels = [usage["level"] for usage in usages]
    first = 0.05  # one-sided, of an interval of 90%
    by_hand = [first, first * 6 / math.pi**2, first * 6 / (4 * math.pi**2)]
    assert levels[:3] == pytest.approx(by_hand)
    assert [one["candidate"] for one in ledger] == [usage["candidate"] for usage in usages]


def test_a_candidate_that_is_evaluated_again_keeps_its_number_and_adds_no_line(use: Use) -> None:
    ledger: Entries = []
    candidates = [with_other_decision(parcels(), row) for row in range(3)]
    first = [use(ledger, one) for one in candidates]
    lines = list(ledger)
    again = [use(ledger, one) for one in candidates]
    assert ledger == lines
    assert [one | {"candidates": 3} for one in first] == again


def test_the_message_to_commit_comes_only_with_a_new_line(
    use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ledger: Entries = []
    use(ledger, parcels())
    use(ledger, parcels())
    use(ledger, with_other_decision(parcels()))
    use(ledger, with_other_decision(parcels(), 5), what_if=["framing.costs.fn is 9"])
    commit = "Commit data/test_evaluations.jsonl: it keeps the count."
    assert [record.getMessage() for record in caplog.records] == [
        f"  This test set has now been used by 1 candidate. {commit}",
        f"  This test set has now been used by 2 candidates. {commit}",
    ]


def test_a_what_if_is_not_counted_and_tested_at_the_level_that_it_would_have(use: Use) -> None:
    ledger: Entries = []
    tried = use(ledger, parcels(), what_if=["a"])
    assert (tried["number"], tried["candidates"], ledger) == (1, 0, [])
    use(ledger, parcels())
    other = with_other_decision(parcels())
    for _ in range(2):
        tried = use(ledger, other, what_if=["a"])
        assert (tried["number"], tried["candidates"], len(ledger)) == (2, 1, 1)
    assert use(ledger, other) == tried | {"candidates": 2}
    assert use(ledger, parcels(), what_if=["a"])["number"] == 1


def reframed(framing: Framing, **changes: Any) -> Framing:
    """The framing with some values of its sections changed."""
    sections = {
        name: getattr(framing, name).model_copy(update=change) for name, change in changes.items()
    }
    return framing.model_copy(update=sections)


def test_another_sentence_of_the_framing_changes_nothing(use: Use, framing: Framing) -> None:
    ledger: Entries = []
    use(ledger, parcels())
    changed = reframed(
        framing, prediction={"population": "any parcel"}, split={"embargo_hours": 3.0}
    )
    assert changed != framing
    assert use(ledger, parcels(), changed)["number"] == 1
    assert use(ledger, with_other_decision(parcels()), changed)["number"] == 2


@pytest.mark.parametrize("hours", [1, 26, 24 * 90])
def test_another_lead_time_is_no_new_test_set(use: Use, framing: Framing, hours: int) -> None:
    ledger: Entries = []
    use(ledger, parcels())
    earlier = parcels().assign(predict_at=parcels()["predict_at"] - pd.Timedelta(hours=hours))
    lead = framing.prediction.lead_minutes + 60 * hours
    changed = reframed(framing, prediction={"lead_minutes": lead})
    assert use(ledger, with_other_decision(earlier), changed)["number"] == 2
    assert use(ledger, earlier, changed)["number"] == 1  # it decides the same as the first
    assert len(ledger) == 2


SECOND: dict[str, Callable[[Table], Table]] = {
    "a row dropped": lambda t: t.drop(index=7),
    "half of the period": lambda t: t.iloc[len(t) // 2 :],
    "every other row": lambda t: t.iloc[::2],
    "a week more": lambda t: parcels(int(len(t) * 67 / 60), days=67),
    "a decision": with_other_decision,
    "another model": lambda t: t.assign(act=parcels(seed=1)["act"]),
    "drawn by lot again": lambda t: t.assign(
        predict_at=t["predict_at"].sample(frac=1, random_state=1).to_numpy()
    ).assign(act=~t["act"]),
}


@pytest.mark.parametrize("change", SECOND)
def test_part_of_a_test_set_more_of_it_or_other_decisions_are_a_second_candidate(
    use: Use, change: str
) -> None:
    ledger: Entries = []
    use(ledger, parcels())
    changed = SECOND[change](parcels())
    assert use(ledger, changed) == use(ledger, changed)
    assert use(ledger, changed)["number"] == 2
    assert len(ledger) == 2


NEW: dict[str, Table] = {
    "other parcels, later": parcels(start="2013-06-15", seed=9),
    "row numbers that begin again, later": parcels(start="2013-06-15").assign(act=False),
    "other parcels, at the same time": parcels(seed=9),
}


@pytest.mark.parametrize("which", NEW)
def test_a_new_test_set_begins_a_new_count(use: Use, which: str) -> None:
    ledger: Entries = []
    use(ledger, parcels())
    use(ledger, with_other_decision(parcels()))
    assert use(ledger, NEW[which])["number"] == 1
    assert use(ledger, with_other_decision(NEW[which]))["number"] == 2
    assert use(ledger, parcels())["candidates"] == 2  # the first test set has a count of its own


def test_a_test_set_that_spans_two_earlier_ones_counts_the_candidates_of_both(use: Use) -> None:
    whole = parcels()
    first, second = whole.iloc[:1400], whole.iloc[1500:]
    ledger: Entries = []
    use(ledger, first)
    assert use(ledger, second)["number"] == 1
    assert use(ledger, whole)["number"] == 3


TYPES: dict[str, Callable[[pd.Series], Any]] = {
    "int16": lambda key: key.astype("int16"),
    "Int64": lambda key: key.astype("Int64"),
    "float64": lambda key: key.astype("float64"),
    "category": lambda key: key.astype("category"),
}


@given(order=st.permutations(range(60)), key=st.sampled_from(sorted(TYPES)), twin=st.booleans())
def test_the_order_of_rows_and_the_type_of_a_number_do_not_matter(
    framing: Framing, order: list[int], key: str, twin: bool
) -> None:
    rows = parcels(60).assign(parcel=np.arange(-30, 30))
    same = rows.iloc[order].assign(parcel=TYPES[key](rows["parcel"]))
    if twin:  # other probabilities, the same decisions
        same = same.assign(probability=same["probability"] / 2)
    found = describe_evaluation(same, KEY, framing)
    assert found == describe_evaluation(rows, KEY, framing)
    other = describe_evaluation(with_other_decision(same), KEY, framing)
    assert {name for name in found if found[name] != other[name]} == {"candidate"}


def test_a_decision_belongs_to_its_row(framing: Framing) -> None:
    rows = parcels()
    shifted = rows.assign(act=np.roll(rows["act"].to_numpy(), 1))
    assert shifted["act"].sum() == rows["act"].sum()
    one, other = (describe_evaluation(t, KEY, framing) for t in (rows, shifted))
    assert one["candidate"] != other["candidate"]


def test_keys_may_be_texts_moments_and_several_columns(framing: Framing) -> None:
    key = ["carrier", "number", "due"]
    rows = parcels().assign(
        carrier=lambda t: np.where(t["parcel"] % 2, "UA", "B6"),
        number=lambda t: (t["parcel"] // 2).astype("int32"),
        due=lambda t: t["predict_at"],
    )
    same = rows.assign(
        carrier=pd.Categorical(rows["carrier"], ["UA", "B6", "AA"]),
        due=rows["due"].dt.as_unit("ns").dt.tz_convert("Asia/Tokyo"),
    )
    found = describe_evaluation(rows, key, framing)
    assert describe_evaluation(same, key[::-1], framing) == found
    assert describe_evaluation(rows.astype({"carrier": object}), key, framing) == found
    swapped = rows.assign(carrier=np.where(rows["parcel"] % 2, "B6", "UA"))
    assert not overlaps(describe_evaluation(swapped, key, framing), found)


def test_of_a_quantity_the_last_bits_make_no_other_candidate(amount_framing: Framing) -> None:
    rows = parcels().rename(columns={"probability": "prediction"}).drop(columns="act")
    elsewhere = rows.assign(prediction=rows["prediction"] * (1 + 2e-16))
    assert (elsewhere["prediction"] != rows["prediction"]).any()
    other = rows.assign(prediction=rows["prediction"] * (1 + 1e-5))
    found = [
        describe_evaluation(t, KEY, amount_framing)["candidate"] for t in (rows, elsewhere, other)
    ]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(("share", "least", "most"), [(0.01, 0.85, 0.98), (0.03, 0.99, 1)])
def test_an_overlap_of_a_few_percent_is_noticed(
    framing: Framing, share: float, least: float, most: float
) -> None:
    rows, noticed, common = 4000, 0, int(share * 4000)
    for draw in range(150):
        first = 10_000 * draw
        one, other = (
            describe_evaluation(parcels(rows).assign(parcel=numbers), KEY, framing)
            for numbers in (
                np.arange(first, first + rows),
                np.arange(first + rows - common, first + 2 * rows - common),
            )
        )
        noticed += overlaps(one, other)
    assert least <= noticed / 150 <= most


def test_what_is_written_today_is_recognized_tomorrow(framing: Framing) -> None:
    """The ledger outlives versions of pandas: if this fails, all counts would begin again."""
    rows = parcels(4).assign(carrier=["UA", "B6", "UA", "DL"], due=lambda t: t["predict_at"])
    assert describe_evaluation(rows, ["parcel", "carrier", "due"], framing) == {
        "candidate": "6bb57c1d32a89460",
        "test": "HQnOwZTpjJxRRxXk5LKt+DvT9eslHkmS",
        "rows": 4,
        "first": "2013-03-31",
        "last": "2013-05-15",
    }


@given(confidence=st.floats(0.6, 0.99))
def test_all_levels_together_stay_below_the_error_that_is_allowed(confidence: float) -> None:
    levels = [one_sided_level(number, confidence) for number in range(1, 2001)]
    assert levels[0] == pytest.approx((1 - confidence) / 2)
    assert levels == sorted(levels, reverse=True)
    assert 0.999 * (1 - confidence) < sum(levels) < 1 - confidence


@pytest.fixture
def lines(framing: Framing) -> Entries:
    """Three lines of a ledger."""
    return [
        {"run": RUN, **describe_evaluation(with_other_decision(parcels(), row), KEY, framing)}
        for row in range(3)
    ]


def test_a_ledger_is_empty_at_first_and_only_ever_grows(tmp_path: Path, lines: Entries) -> None:
    path = tmp_path / "data/test_evaluations.jsonl"
    ledger = EvaluationLedger(str(path))
    assert ledger.load() == []
    assert not ledger.exists()
    ledger.save([])
    assert not path.exists()
    ledger.save(lines[:1])
    before = path.read_bytes()
    ledger.save(lines[1:])
    assert ledger.exists()
    assert ledger.load() == lines
    assert path.read_bytes().startswith(before)
    assert [json.loads(line) for line in path.read_text().splitlines()] == lines
    assert max(map(len, path.read_text().splitlines())) < 2500


def test_a_last_line_without_its_end_is_not_joined_to_the_next(
    tmp_path: Path, lines: Entries
) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = EvaluationLedger(str(path))
    ledger.save(lines[:1])
    path.write_bytes(path.read_bytes().rstrip() + b"\r\n\n" + json.dumps(lines[1]).encode())
    ledger.save(lines[2:])
    assert ledger.load() == lines


APPEND = """
import json, sys
from preflight.evaluation.ledger import EvaluationLedger
path, entry = sys.argv[1], json.loads(sys.argv[2])
for _ in range(200):
    EvaluationLedger(path).save([entry])
"""


def test_two_processes_that_append_at_once_lose_nothing(tmp_path: Path, lines: Entries) -> None:
    path = str(tmp_path / "ledger.jsonl")
    at_work = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, path, json.dumps(entry)],
            env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        )
        for entry in lines[:2]
    ]
    assert [process.wait() for process in at_work] == [0, 0]
    written = EvaluationLedger(path).load()
    assert sorted(one["candidate"] for one in written) == sorted(
        one["candidate"] for one in lines[:2] for _ in range(200)
    )
    assert len(candidates_before(lines[2], written)) == 2  # a line that is there twice counts once


@pytest.mark.parametrize(
    ("number", "damage", "fault"),
    [
        (3, lambda line: line[:40], "EOF"),
        (1, lambda _: b"<<<<<<< HEAD", "JSON"),
        (2, lambda line: line.replace(b'"rows":3000', b'"rows":0'), "rows: "),
        (2, lambda line: line.replace(b'"test":"', b'"test":"?'), "test: "),
        (2, lambda line: line.replace(b"2013-", b"13-"), "first: "),
        (2, lambda _: b"\xff", "JSON"),
        (2, lambda _: b"[1]", "object"),
    ],
)
def test_a_damaged_line_is_named_with_its_remedy(
    tmp_path: Path, lines: Entries, number: int, damage: Any, fault: str
) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = EvaluationLedger(str(path))
    ledger.save(lines)
    assert ledger.load() == lines
    written = path.read_bytes().splitlines()
    damaged = damage(written[number - 1])
    assert damaged != written[number - 1]
    path.write_bytes(b"\n".join([*written[: number - 1], damaged, *written[number:], b""]))
    with pytest.raises(DatasetError) as error:
        ledger.load()
    message = str(error.value)
    assert message.startswith(f"{path}, line {number} is no test evaluation: ")
    assert fault in message
    assert f"git log -p {path}" in message


def test_a_ledger_that_can_not_be_written_says_so(
    tmp_path: Path, lines: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = EvaluationLedger(str(tmp_path))
    with pytest.raises(
        DatasetError, match=r"Is a directory\. Make it a writable file, then: kedro"
    ):
        folder.save(lines)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    ledger = EvaluationLedger(str(tmp_path / "ledger.jsonl"))
    ledger.save(lines[:1])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DatasetError, match=r"ledger\.jsonl can't be written: Permission denied"):
        ledger.save(lines)


def test_a_line_that_is_cut_off_by_a_full_disk_is_told(tmp_path: Path, lines: Entries) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = EvaluationLedger(str(path))
    ledger.save(lines[:1])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        with pytest.raises(DatasetError, match="the last line is half-written: delete it"):
            ledger.save(lines[1:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(DatasetError, match="line 2 is no test evaluation"):
        ledger.load()
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    ledger.save(lines[1:])
    assert ledger.load() == lines


@pytest.mark.parametrize(
    ("field", "value"),
    [("candidate", "A" * 16), ("test", ""), ("test", "abc"), ("rows", 0), ("last", "soon")],
)
def test_an_entry_that_breaks_its_contract_is_refused(
    lines: Entries, field: str, value: Any
) -> None:
    assert results.test_evaluations.validate(lines) == lines
    with pytest.raises(DataValidationError):
        results.test_evaluations.validate([lines[0], lines[1] | {field: value}])
