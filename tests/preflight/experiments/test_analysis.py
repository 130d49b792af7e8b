"""The effect is measured on units: equal groups differ rarely, and an effect is found."""

import numpy as np
import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.experiments.analysis import compare, sample_ratio_p, sum_by_unit

from .conftest import by_units


def test_equal_groups_rarely_differ_although_their_decisions_are_alike() -> None:
    rng, rows = by_units(80)
    units = sum_by_unit(rows)
    by_decision = sum_by_unit(rows.assign(unit=np.arange(len(rows)).astype(str)), covariate=False)
    found, naive = [], []
    for _ in range(150):
        drawn = pd.Series(rng.choice(["control", "treatment"], len(units)), units.index)
        found.append(compare(units.assign(variant=drawn), 0.95))
        rows_too = drawn[rows["unit"]].to_numpy()
        naive.append(compare(by_decision.assign(variant=rows_too), 0.95))
    false, naively = (np.mean([not e.low <= 0 <= e.high for e in some]) for some in (found, naive))
    assert false <= 0.1
    assert naively > 0.2  # the defect that summing by unit prevents


def test_an_effect_is_measured_per_1000_decisions_and_risk_takes_out_noise() -> None:
    _, rows = by_units(400, effect=0.5)
    narrow, wide = (compare(sum_by_unit(rows, covariate), 0.95) for covariate in (True, False))
    assert narrow.low < 500 < narrow.high
    assert narrow.low > 0
    assert narrow.high - narrow.low < 0.7 * (wide.high - wide.low)


def test_units_count_by_their_decisions() -> None:
    _, rows = by_units(40)
    units = sum_by_unit(rows)
    assert units["decisions"].eq(60).all()
    means = rows.groupby("variant")["money"].mean()
    plain = compare(sum_by_unit(rows, covariate=False), 0.95)
    assert plain.mean == pytest.approx(1000 * (means["treatment"] - means["control"]))


def test_few_units_have_no_interval() -> None:
    _, rows = by_units(14)
    with pytest.raises(RunError, match="units: an interval needs 10"):
        compare(sum_by_unit(rows), 0.95)


@pytest.mark.parametrize(("share", "likely"), [(0.5, True), (0.2, False)])
def test_the_sizes_of_groups_are_compared_with_the_share_that_was_drawn(
    share: float, likely: bool
) -> None:
    _, rows = by_units(300)
    assert (sample_ratio_p(sum_by_unit(rows), share) > 0.001) is likely
