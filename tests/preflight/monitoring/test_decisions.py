"""Logged decisions get their labels and their challenger; what does not fit is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from preflight.errors import RunError
from preflight.inference.prediction_log import PredictionLog
from preflight.monitoring import join_decisions
from preflight.problem.framing import Framing

from .conftest import by_day, log_of, model, settings

END = "2013-12-01T00:00:00Z"  # all labels are known
START = "2013-01-01T00:00:00+00:00"


@pytest.fixture
def join(framing: Framing, contracts: dict[str, Any]) -> Any:
    def join(
        logged: pd.DataFrame,
        labels: pd.DataFrame,
        *challengers: Any,
        champion: Any = None,
        moment: str | None = END,
        framing: Framing = framing,
        baselines: Any = (),
        test: pd.DataFrame | None = None,
    ) -> Any:
        champion = champion or model(framing, START)
        rivals, others = (
            {f"c{i}": (lambda one=one: one) for i, one in enumerate(some)}
            for some in (challengers, baselines)
        )
        days = by_day(logged) if isinstance(logged, pd.DataFrame) else logged
        models: Any = (champion, rivals, others, test)
        given = (days, labels, *models, framing, settings(moment), contracts)
        decisions, _, notes = join_decisions(*given)
        return decisions, notes

    return join


def test_decisions_have_their_labels_and_nothing_is_noted(join: Any, sent: pd.DataFrame) -> None:
    shuffled = sent.sample(frac=1, random_state=1)
    found, notes = join(log_of(sent), shuffled)
    assert notes == []
    assert found["label"].tolist() == sent["label"].tolist()
    assert found["predicted"].tolist() == sent["chance"].tolist()
    assert found["due"].all()
    assert found["gain"].isna().all()  # there is no challenger
    assert found["day"].iloc[0] == pd.Timestamp("2013-01-07")  # in local time


def test_only_what_is_known_at_the_moment_counts(join: Any, sent: pd.DataFrame) -> None:
    moment = "2013-03-01T12:00:00Z"
    found, notes = join(log_of(sent), sent, moment=moment)
    made = sent[sent["predict_at"] <= moment]
    assert len(found) == len(made) < len(sent)
    known = made["label_known_at"] <= moment
    assert found["label"].notna().tolist() == known.tolist()
    assert found["due"].tolist() == (made["predict_at"] + pd.Timedelta(hours=49) <= moment).tolist()
    assert notes == []


def test_a_decision_counts_once_and_by_its_key_whatever_its_types(
    join: Any, sent: pd.DataFrame
) -> None:
    twice = pd.concat([log_of(sent), log_of(sent, 0.9)]).sort_values("moment", kind="stable")
    found, _ = join(twice, sent)
    assert found["predicted"].tolist() == sent["chance"].tolist()  # the first
    narrow = log_of(sent).astype({"parcel": "int32"})
    assert join(narrow, sent)[0]["label"].tolist() == sent["label"].tolist()
    names = sent.assign(parcel=sent["parcel"].astype("str"))
    as_category = log_of(names).astype({"parcel": "category"})
    assert join(as_category, names)[0]["label"].tolist() == sent["label"].tolist()


def test_the_newest_challenger_fitted_before_a_decision_is_compared(
    join: Any, sent: pd.DataFrame, framing: Framing
) -> None:
    at, later = "2013-03-04T00:00:00+00:00", "2013-05-06T00:00:00+00:00"
    always = model(framing, at) | {"intercept": 20.0}  # acts on all
    found, _ = join(log_of(sent), sent, model(framing, later), always)
    before, between = found["predict_at"] <= at, found["predict_at"].between(at, later)
    after = found["predict_at"] > later
    assert found.loc[before, "gain"].isna().all()
    rows = sent[between.to_numpy()]
    costs = framing.costs.at(rows)
    mine = costs.saving(rows["label"] == 1, rows["chance"].to_numpy() > 0.2)
    theirs = costs.saving(rows["label"] == 1, np.full(len(rows), True))
    assert found.loc[between & (found["predict_at"] > at), "gain"].tolist() == pytest.approx(
        (mine - theirs).tolist()
    )
    assert (found.loc[after, "gain"] == 0).all()


def test_money_is_that_of_the_decision_and_what_the_probability_expects(
    join: Any, sent: pd.DataFrame, framing: Framing
) -> None:
    logged = log_of(sent)
    logged["act"] = ~logged["act"]  # whatever the model says: it is what was decided
    found, _ = join(logged, sent)
    costs, act = framing.costs.at(sent), logged["act"].to_numpy()
    assert found["saved"].tolist() == costs.saving(sent["label"] == 1, act).tolist()
    tp, fn, fp, tn = (getattr(costs, name) for name in ("tp", "fn", "fp", "tn"))
    expected = np.where(act, sent["chance"] * (fn - tp) + (1 - sent["chance"]) * (tn - fp), 0.0)
    assert found["estimated"].tolist() == pytest.approx(expected.tolist())
    open_label = sent.assign(label=sent["label"].where(sent.index > 100))
    found, _ = join(logged, open_label)
    assert found["saved"].isna().sum() == 101
    assert found["estimated"].notna().all()


def test_of_an_untouched_decision_it_is_that_of_the_model(join: Any, sent: pd.DataFrame) -> None:
    logged = log_of(sent)
    logged["untouched"] = True
    logged["act"] = False
    found, _ = join(logged, sent)
    assert found["decided"].tolist() == (sent["chance"] > 0.2).astype(float).tolist()


def test_the_refitted_baseline_is_the_best_of_the_test_set(
    join: Any, sent: pd.DataFrame, framing: Framing
) -> None:
    at = "2013-03-04T00:00:00+00:00"
    refit = {"never": model(framing, at) | {"threshold": 1.0}, "lookup": model(framing, at)}
    test = sent.head(500).assign(act=True, act_never=False, act_lookup=sent["label"] == 1)
    found, _ = join(log_of(sent), sent, baselines=[refit], test=test)
    after = found["predict_at"] > at
    assert found.loc[~after, "baseline_gain"].isna().all()
    assert (found.loc[after, "baseline_gain"] == 0).all()  # the lookup decides as the champion
    found, _ = join(log_of(sent), sent, baselines=[refit])  # without a test the first: never
    assert (found["baseline_gain"] == found["saved"])[after].all()


def test_decisions_of_an_earlier_model_are_kept_and_marked(
    join: Any, sent: pd.DataFrame, framing: Framing
) -> None:
    logged = log_of(sent)
    logged.loc[:5999, "model"] = "v0"
    late = logged["moment"][6000].isoformat()
    found, notes = join(logged, sent, model(framing, START), champion=model(framing, late))
    assert notes == []
    assert found["of_champion"].tolist() == [False] * 6000 + [True] * 6000
    assert (found["gain"][:6000] == 0).all()  # the challenger decides the same
    assert found["gain"][6000:].isna().all()  # it is older than the champion


def test_a_challenger_of_another_recipe_or_on_no_later_labels_is_not_compared(
    join: Any, sent: pd.DataFrame, framing: Framing
) -> None:
    at = "2013-03-04T00:00:00+00:00"
    others = [
        model(framing, at, params={"depth": 2}),
        model(framing, at) | {"features": ["signal"]},
        model(framing, START),
        model(framing, "2012-12-01T00:00:00+00:00"),
    ]
    assert join(log_of(sent), sent, *others)[0]["gain"].isna().all()
    assert join(log_of(sent), sent, *others, model(framing, at))[0]["gain"].notna().any()


def test_what_cannot_be_compared_is_noted(join: Any, sent: pd.DataFrame) -> None:
    logged = log_of(sent)
    found, (note,) = join({}, sent)
    assert found.empty
    assert "no prediction of the champion v1. It is empty. Run: kedro run --pipelines infer" in note
    found, (note,) = join(log_of(sent, version="v0"), sent)
    assert not found["of_champion"].any()
    assert "It has those of v0." in note
    found, (note,) = join(logged, sent.assign(label=np.nan))
    assert found["label"].isna().all()
    assert "None of 12,000 logged decisions that are due have a label. Harm cannot be seen" in note
    found, (note,) = join(logged, sent.iloc[::2])
    assert "6,000 of 12,000 logged decisions that are due have a label. Those without" in note
    found, notes = join(logged.iloc[::2], sent)
    assert any("labels from the time of the log are of decisions that are not in it" in n
               and "parcel" in n and "restore their files" in n for n in notes)  # fmt: skip
    assert join(logged.iloc[1000:-1000], sent)[1] == []  # labels from before and after the log


def test_a_missing_local_day_is_noted(join: Any, sent: pd.DataFrame, framing: Framing) -> None:
    day = framing.split.day(sent["predict_at"]) == "2013-02-14"
    _, notes = join(log_of(sent)[~day], sent)
    assert any("no decision on 1 of 280 days: 2013-02-14. They" in n for n in notes)


def test_there_is_no_champion(sent: pd.DataFrame, framing: Framing, contracts: Any) -> None:
    given = ({}, sent, None, {}, {}, None, framing, settings(END), contracts)
    found, _, (note,) = join_decisions(*given)
    assert found.empty
    assert "no champion" in note


def test_a_prediction_of_the_future_is_refused_with_folder_and_key(
    join: Any, sent: pd.DataFrame
) -> None:
    ahead = sent.copy()
    ahead.loc[3, "predict_at"] = (pd.Timestamp.now("UTC") + pd.Timedelta(days=2)).floor("s")
    with pytest.raises(RunError, match=r"1 predictions that are dated in the future, .*day=") as no:
        join(log_of(ahead), sent, moment=None)
    assert "parcel 3. Correct the clock" in str(no.value)


def test_a_label_before_its_prediction_is_refused_with_its_key(
    join: Any, sent: pd.DataFrame
) -> None:
    early = sent.copy()
    early.loc[7, "label_known_at"] = early["predict_at"][7] - pd.Timedelta(minutes=1)
    with pytest.raises(RunError, match=r"1 labels are dated before .*parcel 7\. Correct the func"):
        join(log_of(early), early)
    early.loc[7, "label_known_at"] = early["predict_at"][7]
    assert join(log_of(early), early)[1] == []


def test_where_acting_changes_the_label_only_untouched_decisions_count(
    join: Any, sent: pd.DataFrame, framing_as_written: dict[str, Any]
) -> None:
    framing_as_written["decision"] |= {"changes_label": True, "untouched_share": 0.1}
    framing = Framing.model_validate(framing_as_written)
    found, notes = join(log_of(sent), sent, framing=framing)
    assert found.empty
    assert "no logged decision was left untouched" in notes[0]
    logged = log_of(sent)
    logged.loc[::10, "untouched"] = True
    found, notes = join(logged, sent, framing=framing)
    assert len(found) == len(sent) / 10
    assert notes == []


def test_a_half_written_file_of_the_log_is_named(
    join: Any, sent: pd.DataFrame, tmp_path: Path
) -> None:
    file = tmp_path / "day=2013-01-07" / "a.parquet"
    file.parent.mkdir()
    log_of(sent).to_parquet(file)
    file.write_bytes(file.read_bytes()[:1000])
    log = PredictionLog(str(tmp_path), "late_flights.contracts.derived.PredictionLog")
    read = {"2013-01-07": lambda: log._read([file])}
    with pytest.raises(DatasetError, match=r"log is damaged: .*a\.parquet \(.*\)\. Restore it"):
        join(read, sent)
