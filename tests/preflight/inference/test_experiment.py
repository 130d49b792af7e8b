"""Units are drawn alike everywhere; a design that has begun is fixed; two never run at once."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError

from preflight.inference.experiment import Design, Designs, Stop, assign
from preflight.problem.framing import Framing


@pytest.fixture
def design(seal_design: Callable[..., Design]) -> Callable[..., Design]:
    """The design of four weeks."""
    looks = [date(2013, 3, 18), date(2013, 4, 1)]
    return partial(seal_design, name="one", salt="one", looks=looks)


@pytest.fixture
def designs(tmp_path: Path) -> Designs:
    return Designs(str(tmp_path / "experiments"))


@pytest.fixture
def rows() -> pd.DataFrame:
    at = pd.date_range("2013-03-01T05:00Z", "2013-04-10T04:00Z", freq="h", unit="us")
    return pd.DataFrame(
        {"predict_at": at, "place": pd.Categorical(["north", "south"])[at.hour % 2]}
    )


def test_a_unit_keeps_its_variant_within_a_period_and_is_drawn_again(
    design: Callable[..., Design], rows: pd.DataFrame, framing: Framing
) -> None:
    found = assign(rows, [design()], framing)
    assert set(found["variant"].dropna()) == {"control", "treatment"}
    assert found.groupby("unit")["variant"].nunique().eq(1).all()
    days = framing.split.day(rows["predict_at"])
    inside = (days >= pd.Timestamp("2013-03-04")) & (days < pd.Timestamp("2013-04-01"))
    assert found["unit"].notna().tolist() == inside.tolist()
    assert found["unit"][inside].iloc[0] == "south 2013-03-04 00:00"
    assert found["unit"].nunique() == 2 * 28
    per_place = found["variant"].groupby(rows["place"], observed=True).nunique()
    assert per_place.eq(2).all()  # drawn again each day


def test_the_draw_depends_on_unit_and_salt_alone(
    design: Callable[..., Design], rows: pd.DataFrame, framing: Framing
) -> None:
    whole = assign(rows, [design()], framing)
    other_types = rows.assign(place=rows["place"].astype(str)).iloc[::-1]
    assert assign(other_types, [design()], framing).loc[rows.index].equals(whole)
    salted = assign(rows, [design(salt="two")], framing)
    assert salted["unit"].equals(whole["unit"])
    assert not salted["variant"].equals(whole["variant"])


def test_the_share_of_units_gets_the_treatment(
    design: Callable[..., Design], framing: Framing
) -> None:
    units = pd.Series([f"unit {number}" for number in range(10_000)])
    assert (design(share=0.1).variants_of(units) == "treatment").mean() == pytest.approx(
        0.1, abs=0.01
    )


def test_looks_share_alpha(design: Callable[..., Design]) -> None:
    assert design().level == pytest.approx(0.975)
    assert design(looks=[date(2013, 4, 1)]).level == pytest.approx(0.95)


def test_without_columns_all_decisions_of_a_period_are_one_unit(
    design: Callable[..., Design], rows: pd.DataFrame, framing: Framing
) -> None:
    found = assign(rows, [design(unit=[], period_hours=6)], framing)
    assert found["unit"].nunique() == 4 * 28
    without = assign(rows, [design(period_hours=None)], framing)
    assert set(without["unit"].dropna()) == {"north", "south"}


def test_a_stopped_experiment_draws_no_more(
    design: Callable[..., Design], rows: pd.DataFrame, framing: Framing
) -> None:
    at = datetime(2013, 3, 10, 12, tzinfo=UTC)
    stopped = design().model_copy(update={"stopped": Stop(by="ops", reason="a test", at=at)})
    found = assign(rows, [stopped], framing)
    assert rows.loc[found["unit"].notna(), "predict_at"].max() < pd.Timestamp(at)


def test_designs_are_kept_and_read_again(design: Callable[..., Design], designs: Designs) -> None:
    assert designs.load() == []
    assert not designs.exists()
    later = design(name="later", start=date(2013, 4, 1), looks=[date(2013, 5, 1)])
    designs.save(later)
    designs.save(design())
    assert designs.exists()
    assert designs.load() == [design(), later]


def test_a_design_may_change_until_it_begins(
    design: Callable[..., Design], designs: Designs
) -> None:
    """Whatever moment it is made as of: decisions may have been made by it."""
    later = {"start": date(2100, 3, 1), "looks": [date(2100, 4, 1)]}
    designs.save(design(**later))
    designs.save(design(**later, share=0.2))
    assert designs.load()[0].share == 0.2
    designs.stop("one", Stop(by="ops", reason="x", at=datetime(2013, 3, 20, tzinfo=UTC)))
    with pytest.raises(DatasetError, match="one was stopped: its design is fixed"):
        designs.save(design(**later))
    designs.save(design(name="begun"))
    with pytest.raises(DatasetError, match=r"began on 2013-03-04: .* delete .*begun\.json"):
        designs.save(design(name="begun", made_at=datetime(2013, 1, 1, tzinfo=UTC), share=0.2))
    assert designs.load()[0].share == 0.5


def test_two_experiments_never_run_at_once(design: Callable[..., Design], designs: Designs) -> None:
    designs.save(design())
    two = design(name="two", start=date(2013, 3, 31), looks=[date(2013, 5, 1)])
    with pytest.raises(DatasetError, match="one lasts from 2013-03-04 to 2013-04-01: two cannot"):
        designs.save(two)
    designs.stop("one", Stop(by="ops", reason="x", at=datetime(2013, 3, 20, tzinfo=UTC)))
    designs.save(two)
    assert len(designs.load()) == 2


def test_a_stop_keeps_the_design_and_is_made_once(
    design: Callable[..., Design], designs: Designs
) -> None:
    designs.save(design())
    stop = Stop(by="ops", reason="complaints", at=datetime(2013, 3, 20, tzinfo=UTC))
    assert designs.stop("one", stop).stopped == stop
    assert designs.load()[0].sha256 == design().sha256
    with pytest.raises(DatasetError, match="was stopped by ops"):
        designs.stop("one", stop)
    with pytest.raises(DatasetError, match=r"there is no experiment two\. There are: one"):
        designs.stop("two", stop)


def test_what_has_ended_is_not_stopped(design: Callable[..., Design], designs: Designs) -> None:
    designs.save(design())
    with pytest.raises(DatasetError, match="one ended on 2013-04-01: nothing to stop"):
        designs.stop("one", Stop(by="ops", reason="x", at=datetime(2013, 4, 1, tzinfo=UTC)))
    assert designs.load()[0].stopped is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"share": 0.5', '"share": 0.9', "the design was changed after it was made"),
        ('"salt": "one"', '"salt": "two"', "the design was changed after it was made"),
        ("}", "", "is no design: .* Restore it from a backup, or delete it"),
    ],
)
def test_a_file_that_was_changed_is_refused(
    design: Callable[..., Design], designs: Designs, before: str, after: str, message: str
) -> None:
    designs.save(design())
    file = Path(designs._describe()["filepath"], "one.json")
    file.write_text(file.read_text().replace(before, after))
    with pytest.raises(DatasetError, match=message):
        designs.load()
