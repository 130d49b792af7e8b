"""Money and time follow from the framing, and one that makes no sense is refused in a sentence."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from pydantic import ValidationError

from preflight.problem.framing import Framing

NO_TABLE = pd.DataFrame()  # constants need none


def sections(section: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = [sections(v, (*path, k)) for k, v in section.items() if isinstance(v, dict)]
    return [path, *(one for some in below for one in some)]


def test_an_unknown_key_is_refused_in_every_section(framing_as_written: dict[str, Any]) -> None:
    found = [
        one for one in sections(framing_as_written) if one[-1:] != ("plausible",)
    ]  # of metrics
    assert len(found) > 1
    for path in found:
        section = framing_as_written
        for name in path:
            section = section[name]
        section["treshold"] = 1
        with pytest.raises(ValidationError) as error:
            Framing.model_validate(framing_as_written)
        (fault,) = error.value.errors()
        named = tuple(part for part in fault["loc"] if part != "outcomes")  # the kind of costs
        assert (named, fault["type"]) == ((*path, "treshold"), "extra_forbidden")
        del section["treshold"]
    Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    "path", [("decision", "unit"), ("costs", "fn"), ("costs",), ("split", "test_from")]
)
def test_a_missing_key_is_refused(framing_as_written: dict[str, Any], path: tuple[str]) -> None:
    section = framing_as_written
    for name in path[:-1]:
        section = section[name]
    del section[path[-1]]
    with pytest.raises(ValidationError, match=path[-1]):
        Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("prediction", "lead_minutes", 0),
        ("serving", "features_max_age_minutes", 0),
        ("split", "embargo_hours", -1),
        ("resampling", "unit", "hour"),
        ("resampling", "block", 0),
        ("resampling", "unit", "group"),  # of which split.groups names none
        ("split", "timezone", "America/New_Yrok"),
        ("costs", "fn", float("inf")),
        ("costs", "tp", float("nan")),
        ("costs", "fn", True),
        ("costs", "fn", None),
        ("split", "validation_from", "2013-03-01T00:00:00"),
        (None, "confidence", 0.5),
        (None, "confidence", 1),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    framing_as_written: dict[str, Any], section: str | None, key: str, value: Any
) -> None:
    (framing_as_written.setdefault(section, {}) if section else framing_as_written)[key] = value
    with pytest.raises(ValidationError, match=key):
        Framing.model_validate(framing_as_written)


def test_units_without_an_order_have_no_blocks(framing_as_written: dict[str, Any]) -> None:
    framing_as_written["resampling"] = {"unit": "week", "block": 2}
    assert Framing.model_validate(framing_as_written).resampling.block == 2
    framing_as_written["resampling"] = {"unit": "row", "block": 2}
    with pytest.raises(ValidationError, match=r"Leave out resampling\.block"):
        Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    ("section", "change", "sentence"),
    [
        (
            "project",
            {"upkeep_per_month": 1990},
            "achievable saving of €200 per 1,000",
        ),
        ("project", {"budget": 11_500}, r"€11,400 over 6 months .* the budget \(€11,500\)"),
        ("success", {"min_net_saving": 11_500}, r"the least net saving \(€11,500\)"),
        ("project", {"label_price": 0}, "label_price is 0.*label_cost_note"),
        ("goal", {"kpi": {"name": "a", "current": 5, "target": 5}}, "current is 5 and target is 5"),
    ],
)
def test_a_project_that_makes_no_sense_is_refused(
    framing_as_written: dict[str, Any], section: str, change: dict[str, Any], sentence: str
) -> None:
    Framing.model_validate(framing_as_written)
    framing_as_written[section] |= change
    with pytest.raises(ValidationError, match=sentence):
        Framing.model_validate(framing_as_written)


def test_errors_of_all_sections_come_at_once(framing_as_written: dict[str, Any]) -> None:
    framing_as_written["costs"] |= {"fn": 1}
    framing_as_written["project"] |= {"label_price": 0}
    framing_as_written["goal"]["kpi"] |= {"target": 400}
    with pytest.raises(ValidationError) as refused:
        Framing.model_validate(framing_as_written)
    assert len(refused.value.errors()) == 3


def test_a_saving_over_the_months_is_less_its_upkeep(framing: Framing) -> None:
    # 50 per 1,000 of 10,000 a month are 500, less 100 of upkeep, for six months
    assert framing.net(50) == 2400
    assert framing.net(framing.least_per_1000) == pytest.approx(600)


def test_a_framing_can_not_be_changed_while_it_is_used(framing: Framing) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        framing.costs.fn = 10


@pytest.fixture
def shipped(conf: OmegaConfigLoader) -> Callable[[], Framing]:
    return lambda: Framing.model_validate(conf["parameters"]["framing"])


def test_the_shipped_framing_is_valid_and_acts_from_one_in_five(
    shipped: Callable[[], Framing],
) -> None:
    framing = shipped()
    assert framing.costs.at(NO_TABLE).threshold == 0.2
    assert framing.split.day(pd.Series([framing.split.test_from])).dt.day.tolist() == [1]


def test_each_name_that_is_no_feature_is_told_with_its_place(framing: Framing) -> None:
    assert framing.unknown_columns(["place"]) == []
    costs = framing.costs.model_copy(update={"fn": "amount"})
    rails = framing.guardrails.model_copy(update={"protected": ["age"]})
    split = framing.split.model_copy(update={"groups": ["house"]})
    wrong = framing.model_copy(
        update={"slices": ["plaice", "month"], "guardrails": rails, "split": split, "costs": costs}
    )
    assert wrong.unknown_columns(["place"]) == [
        "framing.slices names ['plaice'], which are no features",
        "framing.guardrails.protected names ['age'], which are no features",
        "framing.split.groups names ['house'], which are no features",
        "framing.costs names ['amount'], which are no features",
    ]


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("goal", "objective", "  ", "at least 1 character"),
        ("decision", "act", "", "at least 1 character"),
        ("costs", "fn", True, "neither a number nor the name of a feature"),
        ("costs", "fn", "", "neither a number nor the name of a feature"),
    ],
)
def test_what_says_nothing_is_refused(
    framing_as_written: dict[str, Any], section: str, key: str, value: Any, words: str
) -> None:
    framing_as_written[section][key] = value
    with pytest.raises(ValidationError, match=words) as refused:
        Framing.model_validate(framing_as_written)
    assert refused.value.error_count() == 1


def test_a_baseline_that_is_named_twice_is_refused(framing_as_written: dict[str, Any]) -> None:
    framing_as_written["baselines"] *= 2
    with pytest.raises(ValidationError, match="baselines has a duplicate"):
        Framing.model_validate(framing_as_written)


def test_costs_are_those_of_the_task(
    framing_as_written: dict[str, Any], amounts_as_written: dict[str, Any]
) -> None:
    framing = Framing.model_validate(amounts_as_written)
    assert (framing.predicted, framing.decided) == ("prediction", "prediction")
    assert framing.metrics[0] == "mae"
    framing = Framing.model_validate(framing_as_written)
    assert (framing.task, framing.predicted, framing.decided) == ("binary", "probability", "act")
    for written, other, named in (
        (framing_as_written, amounts_as_written, "task binary needs tp, fp, fn and tn"),
        (amounts_as_written, framing_as_written, "task regression needs overage, underage"),
    ):
        with pytest.raises(ValidationError, match=named):
            Framing.model_validate(written | {"costs": other["costs"]})


def test_plausible_metrics_are_those_of_the_task(amounts_as_written: dict[str, Any]) -> None:
    amounts_as_written["guardrails"]["plausible"] |= {"roc_auc": [0.6, 0.9]}
    with pytest.raises(ValidationError, match=r"plausible .*\['roc_auc'\].* regression has mae"):
        Framing.model_validate(amounts_as_written)


def test_what_is_implausible_is_told_in_words(amount_framing: Framing) -> None:
    good = {name: {"mean": 5.0} for name in amount_framing.metrics}
    rails = amount_framing.guardrails
    assert rails.implausible(good | {"value_per_1000": {"mean": 100}}, "USD") == []
    bad = {"mae": {"mean": 0.01}, "value_per_1000": {"mean": -12.5}}
    assert rails.implausible(good | bad, "USD") == [
        "mae is 0.01; plausible is 1 to 20",
        "value_per_1000 is -$12.50; plausible is $1 to $99,999",
    ]
    (unknown,) = rails.implausible(good | {"value_per_1000": {"mean": None}}, "USD")
    assert unknown.startswith("value_per_1000 is not known; ")


def test_several_classes_are_refused_with_what_to_do(framing_as_written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Frame the class whose miss costs most as the label"):
        Framing.model_validate(framing_as_written | {"task": "multiclass"})
    with pytest.raises(ValidationError, match="'binary' or 'regression'"):
        Framing.model_validate(framing_as_written | {"task": "ranking"})


def test_a_share_per_1000_is_not_above_it_and_an_error_may_be(
    framing_as_written: dict[str, Any], amounts_as_written: dict[str, Any]
) -> None:
    for written in (framing_as_written, amounts_as_written):
        written["goal"]["kpi"] |= {"current": 5000}
    Framing.model_validate(amounts_as_written)
    with pytest.raises(ValidationError, match="current is above 1,000"):
        Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    ("changed", "share", "refused"),
    [(False, None, False), (True, None, False), (True, 0.05, False), (False, 0.05, True)],
)
def test_decisions_are_left_untouched_only_where_acting_changes_the_label(
    framing_as_written: dict[str, Any], changed: bool, share: float | None, refused: bool
) -> None:
    framing_as_written["decision"] |= {"changes_label": changed, "untouched_share": share}
    if refused:
        with pytest.raises(ValidationError, match="Set it to null, or changes_label to true"):
            Framing.model_validate(framing_as_written)
    else:
        assert Framing.model_validate(framing_as_written).decision.untouched_share == share


def test_a_quantity_is_never_left_untouched(amounts_as_written: dict[str, Any]) -> None:
    amounts_as_written["decision"]["changes_label"] = True
    Framing.model_validate(amounts_as_written)
    amounts_as_written["decision"]["untouched_share"] = 0.05
    with pytest.raises(ValidationError, match="untouched_share is for task binary"):
        Framing.model_validate(amounts_as_written)


@pytest.mark.parametrize(("stated", "minutes"), [(45, 45), (None, 60), ("no serving", 60)])
def test_features_by_key_may_be_used_until_the_event_unless_it_is_stated(
    framing_as_written: dict[str, Any], stated: Any, minutes: int
) -> None:
    framing_as_written["serving"]["features_max_age_minutes"] = stated
    if stated == "no serving":
        framing_as_written["serving"] = None
    framing = Framing.model_validate(framing_as_written)
    assert framing.prediction.lead_minutes == 60
    assert framing.features_max_age == pd.Timedelta(minutes=minutes)
