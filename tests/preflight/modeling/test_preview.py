"""The preview: a sample of train, all of validation, no test."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.features.split import split_development, split_examples
from preflight.modeling.preview import (
    LEFT_OUT,
    PreviewParameters,
    compute_preview,
    describe_preview,
    preview,
)
from preflight.problem.framing import Framing

MAKE = Callable[..., pd.DataFrame]
PARTS = (("2013-01-01", "2013-03-01", 1500), ("2013-03-01", "2013-04-01", 800))
SMALL = PreviewParameters(train_rows=1000, importance_rows=300, seed=1)


def examples(make: MAKE) -> list[pd.DataFrame]:
    return [make(*part, seed=seed) for seed, part in enumerate(PARTS)]


def test_a_preview_keeps_its_contract_and_finds_what_the_label_depends_on(
    make_parcels: MAKE, framing: Framing, modeling: Any, contracts: Any
) -> None:
    found = compute_preview(*examples(make_parcels), framing, modeling(), SMALL, contracts)
    preview.validate(found)
    assert found["kind"] == "preview"
    rows = [found[f"{name}_rows"] for name in ("fitted", "train", "validation")]
    assert rows == [1000, 1500, 800]
    assert found["values"].keys() == {"candidate", *framing.baselines}
    assert found["values"]["candidate"] > 0
    assert next(iter(found["importance"])) == "signal"
    assert found["quality"]["roc_auc"] > 0.7
    assert found["gain"]["low"] < found["gain"]["mean"] < found["gain"]["high"]
    again = compute_preview(*examples(make_parcels), framing, modeling(), SMALL, contracts)
    assert again == found


def test_a_regression_has_errors_and_the_share_that_its_costs_ask_for(
    make_amounts: MAKE, amount_framing: Framing, modeling_amounts: Any, contracts: Any
) -> None:
    parts = examples(make_amounts)
    found = compute_preview(*parts, amount_framing, modeling_amounts(), SMALL, contracts)
    preview.validate(found)
    assert found["quality"].keys() == {"mae", "share_below", "target_share"}
    assert found["quality"]["target_share"] == 0.75  # 3 of underage, 1 of overage
    assert abs(found["quality"]["share_below"] - 0.75) < 0.15


def test_a_sample_with_one_label_is_refused(
    make_parcels: MAKE, framing: Framing, modeling: Any, contracts: Any
) -> None:
    train, validation = examples(make_parcels)
    one = train.assign(label=np.zeros(len(train), dtype="int8"))
    with pytest.raises(RunError, match=r"preview\.train_rows"):
        compute_preview(one, validation, framing, modeling(), SMALL, contracts)


def test_the_terminal_says_preview_and_what_is_left_out(
    make_parcels: MAKE, framing: Framing, modeling: Any, contracts: Any
) -> None:
    found = compute_preview(*examples(make_parcels), framing, modeling(), SMALL, contracts)
    lines = describe_preview(found)
    assert next(iter(lines)) == "PREVIEW"
    assert LEFT_OUT in lines["Left out"]
    assert "€" in lines["Gain"]
    assert "90% CI" in lines["Gain"]
    assert "ROC AUC" in lines["Quality"]
    one_day = found | {"gain": {"mean": 1.0, "low": None, "high": None}}
    assert "no interval" in describe_preview(one_day)["Gain"]


def test_the_split_for_the_preview_is_that_of_a_run_without_test(
    monkeypatch: pytest.MonkeyPatch, framing: Framing
) -> None:
    parts = tuple(pd.DataFrame({"part": [name]}) for name in ("train", "validation", "test"))
    monkeypatch.setattr("preflight.features.split.split_examples", lambda *_: (*parts, None, None))
    assert split_development.__globals__["split_examples"] is not split_examples
    found = split_development(pd.DataFrame(), pd.DataFrame(), framing, {})
    assert [part["part"].item() for part in found] == ["train", "validation"]
