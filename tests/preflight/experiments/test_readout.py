"""The answer of an experiment: at planned looks only, on the units that were drawn."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.experiments import read_experiment
from preflight.experiments.contracts import readout
from preflight.inference.experiment import Design, Stop
from preflight.problem.framing import Framing

from .conftest import reading


@pytest.fixture
def read(operate: Any, framing: Framing, contracts: dict[str, Any]) -> Callable[..., Any]:
    def read(
        *designs: Design,
        ran: Design | None = None,
        change: Any = None,
        labels: Any = None,
        challengers: Any = None,
        **asked: Any,
    ) -> Any:
        log, known = operate(*([ran] if ran else designs), change=change)
        if labels is not None:
            known = labels(known)
        found = read_experiment(
            designs, log, known, challengers or {}, reading(**asked), framing, contracts
        )
        readout.validate(found)
        return found

    return read


def test_the_effect_of_acting_is_found_and_is_the_true_one(
    sealed: Callable[..., Design], read: Callable[..., Any], predicted: pd.DataFrame
) -> None:
    found = read(sealed())
    effect = found["history"][-1]["effect"]
    label, act = predicted["label"] == 1, predicted["act"]
    saved = 1000 * (4.0 * (act & label) - 1.0 * (act & ~label)).mean()  # per 1,000, by the costs
    assert effect["low"] < saved < effect["high"]
    assert found["verdict"] == "take the treatment"
    assert "It is worth it: the treatment (champion) saves" in found["sentence"]
    assert [one["until"] for one in found["history"]] == ["2013-04-01", "2013-04-29"]
    control, treatment = found["groups"]
    assert control["acted_share"] == 0
    assert treatment["missed_per_1000"] < control["missed_per_1000"]
    assert found["notes"] == []
    assert found["harmed"] == []
    slices = {one["value"] for one in found["slices"]}
    assert slices == {"north", "south", "west", "2013-03", "2013-04"}


def test_the_first_look_knows_nothing_of_what_comes_after_it(
    sealed: Callable[..., Design], read: Callable[..., Any]
) -> None:
    found = read(sealed(), look="2013-04-01")
    assert found["look"] == 1
    assert found["history"] == read(sealed())["history"][:1]
    assert found == read(sealed(), moment="2013-04-05T00:00:00Z")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"look": "2013-04-08"}, "2013-04-08 is no planned look .* Planned are 2013-04-01"),
        ({"moment": "2013-04-02T00:00:00Z"}, "look of 2013-04-01 .* is complete on 2013-04-03"),
        ({"moment": "2013-04-10T00:00:00Z", "look": "2013-04-29"}, "is complete on 2013-05-01"),
        ({"moment": "2013-03-01T00:00:00Z"}, "No experiment has begun by 2013-02-28"),
        ({"name": "another"}, "There are: act_or_not"),
        ({"unit": ["parcel"]}, "finer than the unit of randomisation"),
        ({"unit": ["colour"]}, "colour, which is no column"),
        ({"unit": ["place"]}, "has both variants in one unit"),
    ],
)
def test_what_was_not_planned_is_refused(
    sealed: Callable[..., Design], read: Callable[..., Any], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        read(sealed(), **asked)


def test_after_a_stop_there_is_no_further_look(
    sealed: Callable[..., Design], read: Callable[..., Any]
) -> None:
    def stopped(at: str) -> Design:
        stop = Stop(by="ops", reason="a test", at=pd.Timestamp(at, tz="UTC").to_pydatetime())
        return sealed().model_copy(update={"stopped": stop})

    assert read(stopped("2013-04-10"))["look"] == 1
    with pytest.raises(RunError, match="never comes: the experiment was stopped by ops"):
        read(stopped("2013-03-20"))


def lose(rows: pd.DataFrame, variant: str, share: float) -> pd.DataFrame:
    units = rows.loc[rows["variant"] == variant, "unit"].unique()
    return rows[~rows["unit"].isin(units[: int(share * len(units))])]


def changed(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        some = rows.index[rows["variant"].notna()][:5]
        rows.loc[some, column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("unit", None), "5 decisions .* have no unit or no variant"),
        (changed("variant", None), "5 decisions .* have no unit or no variant"),
        (changed("variant", "blue"), "have a variant that is not in the design"),
        (changed("unit", "north 2013-03-05 00:00"), "another unit or variant than the design"),
        (lambda rows: lose(rows, "control", 0.7), "other sizes than were drawn: .*p = "),
        (
            lambda rows: rows.assign(variant=rows["variant"].fillna("control")),
            r"decisions before the start .* have a variant",
        ),
    ],
)
def test_groups_that_are_not_those_that_were_drawn_are_refused(
    sealed: Callable[..., Design], read: Callable[..., Any], change: Any, message: str
) -> None:
    with pytest.raises(RunError, match=message):
        read(sealed(), change=change)


def test_a_changed_salt_is_refused(sealed: Callable[..., Design], read: Callable[..., Any]) -> None:
    with pytest.raises(RunError, match="another unit or variant than the design"):
        read(sealed(), ran=sealed(salt="another"))


def test_decisions_without_labels_are_noted_and_many_are_refused(
    sealed: Callable[..., Design], read: Callable[..., Any]
) -> None:
    def keep(share: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        return lambda labels: labels.sample(frac=share, random_state=1)

    (note,) = read(sealed(), labels=keep(0.97))["notes"]
    assert note.endswith("decisions have no label: left out.")
    with pytest.raises(RunError, match=r"have no label\. Compute labels again"):
        read(sealed(), labels=keep(0.8))


def test_a_challenger_that_could_not_answer_is_noted(
    sealed: Callable[..., Design], read: Callable[..., Any]
) -> None:
    policies = {"control": "champion", "treatment": "challenger", "challenger": "c1"}
    found = read(sealed(**policies))
    assert "of the treatment were answered by v1, not by c1" in found["notes"][0]
    assert found["verdict"] == "no difference shown"
    assert found["history"][-1]["effect"]["low"] < 0 < found["history"][-1]["effect"]["high"]


def test_predictions_of_the_champion_narrow_the_interval_whoever_answered(
    sealed: Callable[..., Design], read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The challenger's own predictions say nothing: the champion predicts its rows again."""
    policies = {"control": "champion", "treatment": "challenger", "challenger": "c1"}
    true: list[pd.Series] = []

    def of_challenger(rows: pd.DataFrame) -> pd.DataFrame:
        true.append(rows["probability"].copy())
        treated = rows["variant"] == "treatment"
        rows.loc[treated, ["model", "probability"]] = ["c1", 0.5]
        return rows

    monkeypatch.setattr(
        "preflight.experiments.readout.predict", lambda _, rows: true[-1].loc[rows.index]
    )
    design = sealed(**policies)
    known = read(design, change=of_challenger, challengers={"v1": dict})
    gone = read(design, change=of_challenger)
    widths = [
        one["history"][-1]["effect"]["high"] - one["history"][-1]["effect"]["low"]
        for one in (known, gone)
    ]
    assert widths[0] < 0.9 * widths[1]
    assert known["notes"] == []
    assert gone["notes"] == [
        "The file of v1 is gone. Its predictions would make intervals narrower."
    ]
    effect = known["history"][-1]["effect"]  # both decide alike
    assert effect["low"] < 0 < effect["high"]


def test_a_slice_that_is_harmed_keeps_the_control(
    sealed: Callable[..., Design], read: Callable[..., Any], framing: Framing
) -> None:
    def harm(rows: pd.DataFrame) -> pd.DataFrame:
        west = (rows["place"] == "west") & (rows["variant"] == "treatment")
        rows.loc[west, "act"] = rows.loc[west, "probability"] < 0.2
        return rows

    found = read(sealed(), change=harm)
    assert found["harmed"] == ["place west"]
    assert found["verdict"] == "keep the control"
    assert "It harms place west" in found["sentence"] or "does harm" in found["sentence"]


def test_equal_groups_rarely_differ_over_all_looks(
    sealed: Callable[..., Design], read: Callable[..., Any]
) -> None:
    """Both groups get the champion: what differs between them is chance."""

    def alike(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(act=rows["probability"] > 0.2)

    false = 0
    for number in range(30):
        found = read(sealed(salt=f"draw {number}"), change=alike)
        effects = [look["effect"] for look in found["history"]]
        false += any(not one["low"] <= 0 <= one["high"] for one in effects)
    assert false <= 4  # of 30; 1.5 are expected


def test_a_look_is_complete_when_all_labels_are_due(sealed: Callable[..., Design]) -> None:
    assert sealed().end - sealed().start == timedelta(weeks=8)
    assert sealed().end == date(2013, 4, 29)
