"""A check counts only with its evidence: take that away, and the score falls."""

from typing import Any

import pandas as pd
import pytest
from kedro.validation import DataValidationError

from preflight.reporting.checklist import POINTS, score_checklist
from preflight.reporting.contracts import ChecklistParameters, checklist
from preflight.reporting.report import collect_results

Asked = dict[str, Any]


@pytest.fixture
def asked() -> Asked:
    """Sections in which all is proved by one dataset each."""

    def section(evidence: list[str], count: int = 7) -> list[Asked]:
        return [{"name": f"{i}", "evidence": evidence, "how": "do it"} for i in range(count)]

    return {
        "data": section(["importance"]),
        "model": section(["verdict: gain"]),
        "infrastructure": section(["tests/test_a.py::test_b"]),
        "monitoring": section(["tests/test_a.py", "slices"]),
    }


@pytest.fixture
def shown(results: dict[str, Any]) -> dict[str, Any]:
    return collect_results(**results)


def scored(asked: Asked, shown: dict[str, Any]) -> dict[str, Any]:
    found = score_checklist(shown, ChecklistParameters.model_validate(asked))
    assert checklist.validate(found) is found
    return found


def points(found: dict[str, Any]) -> dict[str, float]:
    return {
        name: sum(POINTS[check["state"]] for check in checks)
        for name, checks in found["sections"].items()
    }


def test_with_all_evidence_it_is_full(asked: Asked, shown: dict[str, Any]) -> None:
    found = scored(asked, shown)
    assert points(found) == dict.fromkeys(asked, 7)
    assert found["score"] == 7
    evidence = found["sections"]["data"][0]["evidence"]
    assert evidence == {"importance": "2026-01-30T12.00.00.000Z"}


def test_the_score_is_the_least_section_and_a_document_counts_half(
    asked: Asked, shown: dict[str, Any]
) -> None:
    asked["data"][0]["evidence"] = ["importance", "docs/a.md"]
    asked["model"][0]["evidence"] = []
    found = scored(asked, shown)
    assert points(found)["data"] == 6.5
    assert (found["score"], points(found)["model"]) == (6, 6)
    assert found["sections"]["model"][0]["state"] == "open"


@pytest.mark.parametrize(
    ("section", "deleted"),
    [
        ("data", lambda shown: shown["provenance"]["files"].pop("importance")),
        ("data", lambda shown: shown.update(importance=pd.DataFrame())),
        ("model", lambda shown: shown["verdict"]["checks"][0].update(ok=False)),
        (
            "infrastructure",
            lambda shown: shown["provenance"]["kept"].remove("tests/test_a.py::test_b"),
        ),
        ("monitoring", lambda shown: shown["provenance"]["kept"].remove("tests/test_a.py")),
        ("monitoring", lambda shown: shown["provenance"]["files"].pop("slices")),
    ],
)
def test_without_its_evidence_a_section_falls(
    section: str, deleted: Any, asked: Asked, shown: dict[str, Any]
) -> None:
    deleted(shown)
    found = scored(asked, shown)
    assert points(found) == dict.fromkeys(asked, 7) | {section: 0}
    assert found["score"] == 0


@pytest.mark.parametrize(
    ("score", "meaning"), [(0, "research"), (0.5, "serious"), (1, "serious"), (3, "reasonably")]
)
def test_the_score_is_told_in_words(
    score: float, meaning: str, asked: Asked, shown: dict[str, Any]
) -> None:
    for number, check in enumerate(asked["data"]):
        check["evidence"] = ["importance"] if number < int(score) else []
        if number == int(score) and score % 1:
            check["evidence"] = ["docs/a.md"]
    found = scored(asked, shown)
    assert found["score"] == score
    assert meaning in found["meaning"]


def test_a_point_without_evidence_is_refused(asked: Asked, shown: dict[str, Any]) -> None:
    found = scored(asked, shown)
    found["sections"]["data"][0]["evidence"] = {}
    with pytest.raises(DataValidationError) as refused:
        checklist.validate(found)
    assert "counts without evidence" in str(refused.value.failures)


def test_a_section_of_the_paper_has_seven(asked: Asked) -> None:
    with pytest.raises(ValueError, match="at least 7"):
        ChecklistParameters.model_validate(asked | {"data": asked["data"][:6]})
