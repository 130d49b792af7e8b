"""A replay of production: refits pay where the world changes, and nothing is known too early."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.evaluation.contracts import Evaluation
from preflight.modeling.parameters import Modeling
from preflight.monitoring import production, replay_production
from preflight.monitoring.contracts import ProductionReplay, ReplaySettings, production_replay
from preflight.monitoring.production import passes_trial
from preflight.monitoring.refits import Refits
from preflight.problem.framing import Framing

from .conftest import settings

BEST = {"candidate": "trees", "params": {}}
LINE = {"calibration": {"slope": 1.0, "intercept": 0.0}}
CHANGE = "2013-05-20"
NUMBERS = {
    "calibration_bins": 5,
    "thresholds": 10,
    "importance_rows": 100,
    "importance_shuffles": 2,
    "reference_rows": 20,
}

EVALUATION = Evaluation.model_validate({"replicates": 200, "seed": 1, **NUMBERS})


@pytest.fixture(scope="module")
def history(make_parcels: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Forty weeks of parcels."""
    return make_parcels("2013-01-07T05:00", "2013-10-14T04:00", 6_000)


@pytest.fixture(scope="module")
def changed(history: pd.DataFrame) -> pd.DataFrame:
    """The same, but from a day on a sensor shows 8 too little."""
    after = history["predict_at"] >= CHANGE
    return history.assign(signal=history["signal"].where(~after, history["signal"] - 8))


@pytest.fixture(scope="module")
def replay(
    framing: Framing, modeling: Callable[..., Modeling], contracts: dict[str, Any]
) -> Callable[..., ProductionReplay]:
    def replay(
        rows: pd.DataFrame,
        labels: pd.DataFrame | None = None,
        framing: Framing = framing,
        **changes: int,
    ) -> Any:
        features = rows.drop(columns=["label", "label_known_at", "chance"])
        usual = {"train_weeks": 10, "every_weeks": 4, "labels_late_days": 0}
        given = (features, rows if labels is None else labels, BEST, LINE, framing, modeling())
        label = SimpleNamespace(dtype=SimpleNamespace(type=np.dtype("int8")))
        schema = SimpleNamespace(columns={"label": label})
        with_train = contracts | {"train": SimpleNamespace(to_schema=lambda: schema)}
        replayed = ReplaySettings.model_validate(usual | changes)
        found = replay_production(*given, settings(), EVALUATION, replayed, with_train)
        assert production_replay.validate(found) is found
        return ProductionReplay.model_validate(found)

    return replay


@pytest.fixture(scope="module")
def stable(replay: Any, history: pd.DataFrame) -> ProductionReplay:
    return replay(history)


def days(found: ProductionReplay, policy: str) -> list[str]:
    return [f"{one.at:%Y-%m-%d}" for one in found.policies[policy].promotions]


def test_in_a_stable_world_little_is_gained_and_no_alarm_comes(stable: Any) -> None:
    found = stable
    assert found.start == pd.Timestamp("2013-03-18T04:00Z")  # a Monday, after ten weeks
    assert found.first_alarm is None
    assert days(found, "never") == days(found, "on alarm") == []
    assert days(found, "calendar")[:2] == ["2013-04-15", "2013-05-13"]
    gain = found.policies["calendar"].over_never  # of more data
    assert gain.mean < 0.1 * found.policies["never"].saved_per_1000
    assert found.policies["on alarm"].over_never.mean == 0
    assert found.false_alarms.rate is not None


def test_if_the_world_changes_refits_pay_and_the_alarm_promotes_one(
    replay: Any, changed: pd.DataFrame
) -> None:
    found = replay(changed)
    assert CHANGE <= found.first_alarm <= "2013-07-15"
    (promotion, *_) = found.policies["on alarm"].promotions
    assert f"{promotion.at:%Y-%m-%d}" > found.first_alarm  # when its week is over
    assert promotion.fitted <= promotion.at
    calendar, on_alarm = (found.policies[name] for name in ("calendar", "on alarm"))
    assert calendar.over_never.low > 0
    assert on_alarm.over_never.low > 0
    for policy in (calendar, on_alarm):
        number = sum(policy.weekly) / found.decisions * 1000
        assert policy.saved_per_1000 == pytest.approx(number)
    assert found.weeks[0] == "2013-03-18"
    assert len(found.weeks) == len(calendar.weekly)


def test_labels_that_come_late_delay_the_alarm(replay: Any, changed: pd.DataFrame) -> None:
    on_time, late = (replay(changed, train_weeks=13, labels_late_days=late) for late in (0, 21))
    first = [found.policies["on alarm"].promotions[0].at for found in (on_time, late)]
    assert first[1] >= first[0] + pd.Timedelta(days=14)
    saved = [found.policies["calendar"].saved_per_1000 for found in (on_time, late)]
    assert saved[1] < saved[0]


def test_nothing_is_known_before_its_time(replay: Any, history: pd.DataFrame, stable: Any) -> None:
    """Labels after a moment are turned: what was decided and promoted before does not change."""
    moment = pd.Timestamp("2013-07-08T04:00Z")
    later = history["label_known_at"] > moment
    turned = history.assign(label=history["label"].where(~later, 1 - history["label"]))
    one, other = stable, replay(history, turned)
    weeks = one.weeks.index("2013-07-01")  # its last labels are known later
    for name in ("never", "calendar", "on alarm"):
        before, after = (found.policies[name].weekly[:weeks] for found in (one, other))
        assert before == after
    assert one.policies["never"].weekly != other.policies["never"].weekly


def test_a_refit_that_is_significantly_worse_does_not_pass_its_trial(
    history: pd.DataFrame, framing: Framing
) -> None:
    moments = pd.DatetimeIndex(["2013-01-07", "2013-03-04", "2013-06-03"], tz="UTC")
    right, wrong = history["chance"].to_numpy(), 1 - history["chance"].to_numpy()
    for second, passes in ((wrong, False), (right, True)):
        predicted = np.stack([right, second, second])
        refits = Refits(moments, history, predicted, predicted)
        assert passes_trial(refits, 2, 0, framing, EVALUATION) == passes
    refits = Refits(moments, history, np.stack([wrong, right, right]), predicted)
    assert passes_trial(refits, 2, 0, framing, EVALUATION)
    implausible = Refits(moments, history, np.stack([wrong, wrong, wrong]), predicted)
    assert not passes_trial(implausible, 2, 1, framing, EVALUATION)  # no worse than itself, but bad
    open_labels = history.assign(label_known_at=moments[2] + pd.Timedelta(days=1))
    assert not passes_trial(refits._replace(rows=open_labels), 2, 0, framing, EVALUATION)


def test_labels_that_acting_changes_are_refused(
    replay: Any, history: pd.DataFrame, framing_as_written: dict[str, Any]
) -> None:
    framing_as_written["decision"] |= {"changes_label": True, "untouched_share": 0.1}
    changes = Framing.model_validate(framing_as_written)
    with pytest.raises(RunError, match="Acting changes the label"):
        replay(history, framing=changes)


def test_too_short_a_history_is_refused_by_its_length(replay: Any, history: pd.DataFrame) -> None:
    short = history[history["predict_at"] < "2013-04-20"].reset_index(drop=True)
    with pytest.raises(RunError, match=r"has 14 weeks .* production_replay\.train_weeks \(10\)"):
        replay(short)
    with pytest.raises(RunError, match=r"train_weeks \(8\) more than a week above"):
        replay(history, train_weeks=8)


def test_the_policies_are_told_in_the_log(
    replay: Any, history: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=production.__name__)
    replay(history, every_weeks=12)
    assert "calendar: saves" in caplog.text
