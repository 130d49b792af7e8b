"""Comparisons of a challenger in the shadow add up, and are told in words."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from preflight.errors import RunError
from preflight.inference.shadow import (
    Comparison,
    Times,
    describe_comparison,
    read_comparisons,
    read_shadow,
    save_document,
)
from preflight.problem.framing import Framing


def part(day: int, **changed: Any) -> Comparison:
    fields = {
        "champion": "v1",
        "challenger": "c1",
        "since": datetime(2026, 1, day, tzinfo=UTC),
        "until": datetime(2026, 1, day, 12, tzinfo=UTC),
        "rows": 1_000,
        "dropped": 10,
        "failed": 1,
        "same": 900,
        "difference": 20.0,
        "saved_if_champion": -300.0,
        "saved_if_challenger": 500.0,
        "champion_ms": Times(p50=2.0, p99=4.0),
        "challenger_ms": Times(p50=2.0 + day, p99=9.0),
    }
    return Comparison.model_validate(fields | changed)


def test_files_of_the_same_models_are_added_up_and_others_stay_apart(tmp_path: Path) -> None:
    save_document(part(1), tmp_path / "1.json")
    save_document(part(2, rows=3_000, same=3_000), tmp_path / "2.json")
    save_document(part(3, champion="v0", rows=7), tmp_path / "3.json")
    first, last = read_comparisons(tmp_path)
    assert (first.rows, first.same, first.dropped, first.failed) == (4_000, 3_900, 20, 2)
    assert (first.difference, first.saved_if_champion) == (40.0, -600.0)
    assert first.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert first.until == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert first.challenger_ms == Times(p50=4.0, p99=9.0)  # of the last process
    assert (last.champion, last.rows) == ("v0", 7)
    assert read_comparisons(tmp_path / "none") == []


def test_a_comparison_is_told_per_1000_decisions(framing: Framing, amount_framing: Framing) -> None:
    told = describe_comparison(part(1), framing)
    assert told["same decision"] == "90.0%"
    assert told["predictions differ by"] == "0.02 on average"
    assert told["estimated saving"].startswith("-€300 per 1,000 parcels if the champion's")
    assert "€500 if the challenger's are" in told["estimated saving"]
    assert told["not compared"].startswith("10 dropped because the challenger was late, 1 that")
    assert told["time for a request, at the lowest priority"].startswith(
        "half within 3.0 ms (champion 2.0), 99% within"
    )
    assert "same decision" not in describe_comparison(part(1), amount_framing)
    none = describe_comparison(part(1, rows=0, champion_ms=None), framing)
    assert list(none) == ["champion", "challenger", "compared", "not compared"]


def test_broken_files_are_named(tmp_path: Path) -> None:
    assert read_shadow(tmp_path / "shadow.json") is None
    (tmp_path / "shadow.json").write_text("{}")
    with pytest.raises(RunError, match=r"shadow\.json is broken: Field required.*kedro shadow"):
        read_shadow(tmp_path / "shadow.json")
    with pytest.raises(RunError, match=r"shadow\.json is broken: .* Restore or delete it"):
        read_comparisons(tmp_path)
