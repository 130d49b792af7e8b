"""An alarm is raised by harm, and only then; it says since when and what to do."""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from preflight.errors import AlarmError
from preflight.hooks.alarms import AlarmHooks
from preflight.inference.contracts import Override
from preflight.monitoring import join_decisions, measure_evidence, raise_alarms
from preflight.monitoring.alarms import require_no_alarm
from preflight.monitoring.contracts import (
    Alarm,
    Alarms,
    Monitoring,
    WeeklyEvidence,
    alarm_rates,
    alarms,
    webhook,
)
from preflight.problem.framing import Framing

from .conftest import by_day, log_of, model, settings

START, END = "2013-01-01T00:00:00+00:00", "2013-12-01T00:00:00Z"
HARM = "2013-06-03T04:00Z"  # a Monday in New York, the 22nd week


@pytest.fixture
def test_set(make_parcels: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Ten whole weeks of a test set, on which the champion beats its baselines by little."""
    rows = make_parcels("2012-10-01T04:00", "2012-12-10T05:00", 3_000, seed=5)
    unsure = np.random.default_rng(0).random(len(rows)) < 0.1
    act = rows["chance"] > 0.2
    other = act ^ unsure
    return rows[["parcel", "predict_at", "label"]].assign(
        probability=rows["chance"], act=act, act_never=False, act_lookup=other
    )


class Watch:
    """Monitoring of a log, from the log to the alarms."""

    def __init__(self, framing: Framing, contracts: Any, test_set: pd.DataFrame) -> None:
        self.framing, self._contracts, self._test = framing, contracts, test_set

    def __call__(
        self,
        logged: pd.DataFrame,
        labels: pd.DataFrame,
        monitoring: Monitoring | None = None,
        test: bool = True,
        challenger: bool = True,
    ) -> tuple[pd.DataFrame, Alarms]:
        monitoring, champion = monitoring or settings(END), model(self.framing, START)
        rivals: Any = {"c": lambda: model(self.framing, "2013-01-06T00:00:00+00:00")}
        history = self._test if test else None
        given = (by_day(logged), labels, champion, rivals if challenger else {}, {})
        settled = (history, self.framing, monitoring, self._contracts)
        decisions, _, notes = join_decisions(*given, *settled)
        evidence, rates = measure_evidence(decisions, history, self.framing, monitoring)
        alarm_rates.validate(rates)
        WeeklyEvidence.validate(evidence)
        of_champion = {"champion": "v1"}
        found, _, message = raise_alarms(evidence, notes, of_champion, self.framing, monitoring)
        assert alarms.validate(found) is found
        self.message: str = webhook.validate(message)["text"]
        return evidence, Alarms.model_validate(found)


@pytest.fixture
def watch(framing: Framing, contracts: dict[str, Any], test_set: pd.DataFrame) -> Watch:
    return Watch(framing, contracts, test_set)


def by_name(found: Alarms) -> dict[str, Alarm]:
    return {alarm.name: alarm for alarm in found.alarms}


def noise(rows: pd.DataFrame, after: str) -> pd.Series:
    """The score of a champion that knows nothing any more after a moment."""
    shuffled = np.random.default_rng(1).permutation(rows["chance"])
    return rows["chance"].where(rows["predict_at"] < after, shuffled)


def test_a_healthy_champion_raises_no_alarm(watch: Watch, sent: pd.DataFrame) -> None:
    evidence, found = watch(log_of(sent), sent)
    assert found.notes == []
    for alarm in found.alarms:
        assert not alarm.raised
        assert alarm.weeks == 40
        assert alarm.evidence is not None
        assert alarm.evidence < 1
        assert alarm.since is None
    assert (evidence["left_out"] == "").all()
    assert evidence.groupby(["alarm", "part"]).size().tolist() == [40, 10, 40, 10]
    require_no_alarm(found.model_dump())
    assert watch.message == ""


def test_harm_raises_both_alarms_with_week_action_and_command(
    watch: Watch, sent: pd.DataFrame
) -> None:
    evidence, found = watch(log_of(sent, noise(sent, HARM)), sent)
    named = by_name(found)
    for alarm in found.alarms:
        assert alarm.raised
        assert alarm.since is not None
        assert "2013-06-03" <= alarm.since <= "2013-07-15"
        assert alarm.limit == 40
    assert named["challenger"].command == "kedro run --pipelines refit"
    assert named["discrimination"].command == "kedro rollback"
    money = evidence[(evidence["alarm"] == "challenger") & (evidence["part"] == "log")]
    after = money["week"] >= "2013-06-03"
    assert (money.loc[~after, "value"] == 0).all()  # champion and challenger agree
    assert (money.loc[after, "value"] < 0).all()
    assert money["line"].unique().tolist() == [-10.0]  # upkeep of 100 for 10,000 decisions
    with pytest.raises(AlarmError) as raised:
        require_no_alarm(found.model_dump())
    assert watch.message.count("kedro") == 2
    assert watch.message.startswith(f"The champion does harm: {watch.framing.goal.objective}\n")
    for words in ("challenger, since the week of 2013-", "Evidence ", named["challenger"].action):
        assert words in watch.message
    for words in ("challenger, since the week of 2013-", "kedro run --pipelines refit", "To ackno"):
        assert words in str(raised.value)


def test_the_promise_of_the_ranking_is_the_mean_of_the_last_weeks_of_test(
    watch: Watch, sent: pd.DataFrame, test_set: pd.DataFrame
) -> None:
    evidence, _ = watch(log_of(sent), sent)
    ranks = evidence[evidence["alarm"] == "discrimination"]
    history = ranks.loc[ranks["part"] == "test", "value"]
    assert ranks["line"].dropna().unique().tolist() == pytest.approx([history[-8:].mean() - 0.03])
    day = watch.framing.split.day(test_set["predict_at"])
    last = test_set[day >= "2012-12-03"]
    ones, zeros = (last.loc[last["label"] == one, "probability"].to_numpy() for one in (1, 0))
    wins = (ones[:, None] > zeros).mean() + (ones[:, None] == zeros).mean() / 2
    assert history.iloc[-1] == pytest.approx(wins)


def test_the_history_of_money_is_the_gain_over_the_baseline_that_differs_least(
    watch: Watch, sent: pd.DataFrame, test_set: pd.DataFrame
) -> None:
    evidence, _ = watch(log_of(sent), sent)
    history = evidence[(evidence["alarm"] == "challenger") & (evidence["part"] == "test")]
    costs, label = watch.framing.costs.at(test_set), test_set["label"].to_numpy()
    gain = costs.saving(label, test_set["act"].to_numpy()) - costs.saving(
        label, test_set["act_lookup"].to_numpy()
    )
    last = watch.framing.split.day(test_set["predict_at"]) >= "2012-12-03"
    assert history["value"].iloc[-1] == pytest.approx(1000 * gain[last].mean())


def test_without_a_test_the_first_logged_weeks_are_the_history(
    watch: Watch, sent: pd.DataFrame
) -> None:
    evidence, found = watch(log_of(sent, noise(sent, HARM)), sent, test=False)
    assert [alarm.weeks for alarm in found.alarms] == [32, 32]
    assert by_name(found)["discrimination"].raised
    assert evidence["evidence"].isna().sum() == 16
    few = sent[sent["predict_at"] < "2013-02-25T05:00Z"]
    _, found = watch(log_of(few), few, test=False)
    assert [alarm.evidence for alarm in found.alarms] == [None, None]
    assert "So far 7 weeks of the log count, and 0 of the test set." in found.alarms[0].message


def test_weeks_that_lack_decisions_or_labels_do_not_count_as_zero(
    watch: Watch, sent: pd.DataFrame
) -> None:
    day = watch.framing.split.day(sent["predict_at"])
    in_week = {monday: day.between(monday, pd.Timestamp(monday) + pd.Timedelta(days=6))
               for monday in ("2013-02-04", "2013-03-04", "2013-04-01")}  # fmt: skip
    third = sent.index % 3 == 0
    logged = log_of(sent)[~in_week["2013-02-04"] & ~(in_week["2013-03-04"] & ~third)]
    labels = sent[~(in_week["2013-04-01"] & third)]
    evidence, found = watch(logged, labels)
    log = evidence[(evidence["part"] == "log") & (evidence["alarm"] == "discrimination")]
    reasons = log[log["left_out"] != ""].set_index("week")["left_out"].to_dict()
    assert reasons == {
        "2013-02-04": "under 50% of the usual decisions",
        "2013-03-04": "under 50% of the usual decisions",
        "2013-04-01": "under 90% of its decisions have a label",
    }
    assert log.loc[log["left_out"] != "", "evidence"].isna().all()
    assert by_name(found)["discrimination"].weeks == 37
    assert not any(alarm.raised for alarm in found.alarms)
    assert any("no decision on 7 of 280 days" in note for note in found.notes)


def test_only_weeks_whose_labels_are_all_due_count(watch: Watch, sent: pd.DataFrame) -> None:
    # the labels of the week from 4 March are due two days and an hour after its end
    for moment, weeks in (("2013-03-13T00:00:00-04:00", 8), ("2013-03-13T02:00:00-04:00", 9)):
        evidence, found = watch(log_of(sent), sent, settings(moment))
        assert [alarm.weeks for alarm in found.alarms] == [weeks, weeks]
        log = evidence[(evidence["part"] == "log") & (evidence["alarm"] == "discrimination")]
        assert (log["left_out"] == "not all labels are due").sum() == len(log) - weeks


def test_without_a_challenger_only_the_ranking_is_watched(watch: Watch, sent: pd.DataFrame) -> None:
    _, found = watch(log_of(sent, noise(sent, HARM)), sent, challenger=False)
    named = by_name(found)
    assert named["challenger"].evidence is None
    message = named["challenger"].message
    assert message.startswith("Not known yet. The alarm needs 8 weeks of history")
    assert "So far 0 weeks of the log count, and 10 of the test set." in message
    assert not named["challenger"].raised
    assert named["discrimination"].raised


def test_without_labels_it_says_that_harm_cannot_be_seen(watch: Watch, sent: pd.DataFrame) -> None:
    _, found = watch(log_of(sent, noise(sent, HARM)), sent.assign(label=np.nan))
    assert "Harm cannot be seen without labels" in found.notes[0]
    assert [alarm.evidence for alarm in found.alarms] == [None, None]


def test_a_silenced_alarm_stays_raised_but_stops_nothing(
    watch: Watch, sent: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    until = pd.Timestamp("2013-12-24T00:00Z").to_pydatetime()
    quiet = Override(by="Ada", reason="a new terminal", until=until)
    logged = log_of(sent, noise(sent, HARM))
    _, found = watch(logged, sent, settings(END, challenger=quiet))
    assert by_name(found)["challenger"].raised
    with pytest.raises(AlarmError) as raised:
        require_no_alarm(found.model_dump())
    assert "challenger, since" not in str(raised.value)
    assert "discrimination, since" in str(raised.value)
    assert "alarm challenger, silenced by Ada until 2013-12-24" in caplog.text
    _, found = watch(logged, sent, settings(END, challenger=quiet, discrimination=quiet))
    require_no_alarm(found.model_dump())
    late = settings("2013-12-25T00:00:00Z", challenger=quiet, discrimination=quiet)
    _, found = watch(logged, sent, late)
    with pytest.raises(AlarmError, match="challenger, since"):
        require_no_alarm(found.model_dump())


def test_an_acknowledged_alarm_stops_nothing_until_another_begins(
    watch: Watch, sent: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    logged = log_of(sent, noise(sent, HARM))
    since = {name: alarm.since for name, alarm in by_name(watch(logged, sent)[1]).items()}
    known = {n: {"by": "ops", "reason": "a refit is due", "since": s} for n, s in since.items()}
    _, found = watch(logged, sent, settings(END, known))
    assert all(alarm.raised and alarm.acknowledged for alarm in found.alarms)
    assert found.notes == []
    assert watch.message == ""
    require_no_alarm(found.model_dump())
    assert f"alarm challenger, since {since['challenger']}, acknowledged by ops" in caplog.text
    known["challenger"]["since"] = "2013-02-04"  # of an alarm before
    _, found = watch(logged, sent, settings(END, known))
    assert f"since 2013-02-04. The alarm is since {since['challenger']}" in found.notes[0]
    assert watch.message.count("\n") == 2
    with pytest.raises(AlarmError, match="challenger, since"):
        require_no_alarm(found.model_dump())
    _, found = watch(log_of(sent), sent, settings(END, known))
    assert ["It is not raised" in note for note in found.notes] == [True, True]


def test_a_run_that_saved_an_alarm_ends_with_it(watch: Watch, sent: pd.DataFrame) -> None:
    _, found = watch(log_of(sent, noise(sent, HARM)), sent)
    catalog = {"alarms": found.model_dump(mode="json")}
    loads = SimpleNamespace(load=catalog.__getitem__)
    save = Node(lambda x: x, "x", "alarms")
    with pytest.raises(AlarmError):
        AlarmHooks().after_pipeline_run(Pipeline([save]), loads)
    other = Node(lambda x: x, "x", "input_limits")
    AlarmHooks().after_pipeline_run(Pipeline([other]), loads)  # a part of the run


def test_a_regression_is_watched_by_its_rank_correlation(
    amount_framing: Framing, contracts: dict[str, Any], make_amounts: Any
) -> None:
    rows = make_amounts("2013-01-07T05:00", "2013-10-14T04:00", 8_000)
    right = (30 + 8 * rows["signal"] + 5 * (rows["place"] == "north")).astype("float64")
    wrong = np.random.default_rng(0).permutation(right)
    day = amount_framing.split.day(rows["predict_at"])
    for predicted, raised in ((right, False), (right.where(day < "2013-06-03", wrong), True)):
        given = {"predicted": predicted, "gain": np.nan, "due": True, "of_champion": True}
        decisions = rows.assign(day=day, **given)
        found, _ = measure_evidence(decisions, None, amount_framing, settings(END))
        ranks = found[found["alarm"] == "discrimination"]
        assert ranks["value"].iloc[0] > 0.8
        assert (ranks["evidence"] >= 40).any() == raised


def test_an_alarm_has_an_exit_status_of_its_own() -> None:
    code = (
        "import sys\nfrom preflight.hooks.messages import ErrorHooks\n"
        "from preflight.errors import AlarmError, RunError\n"
        "ErrorHooks().after_context_created()\nraise {}('harm')"
    )
    for error, status in (("AlarmError", 3), ("RunError", 1)):
        command = [sys.executable, "-c", code.format(error)]
        done = subprocess.run(command, env={"PYTHONPATH": "src"}, check=False)
        assert done.returncode == status
