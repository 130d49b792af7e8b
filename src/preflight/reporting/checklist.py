"""The ML Test Score: which of the checks are done, by what is found when the report is made.

Breck and others (2017), The ML Test Score: a rubric for ML production readiness. A check that runs
by itself gives a point, one done by hand with documented results half a point; a section gives the
sum, and the least section is the score.
"""

from collections.abc import Callable
from typing import Any

from preflight.reporting.contracts import POINTS, Check, ChecklistParameters

MEANS = {  # from this score on
    0.0: "research, not yet a system to rely on",
    0.5: "not untested, but with holes that may be serious",
    1.5: "a first pass at production, more is to be done",
    2.5: "reasonably tested, some of it still by hand",
    3.5: "well tested and watched, as critical systems need",
    5.5: "exceptionally well tested and watched",
}

Find = Callable[[str], str | None]


def score(asked: ChecklistParameters, reported: dict[str, Any]) -> dict[str, Any]:
    """Return each check with its state and evidence, the sum of each section, and the score."""

    def find(evidence: str) -> str | None:
        return _found(evidence, reported)

    def section(checks: list[Check]) -> dict[str, Any]:
        judged = [_judged(check, find) for check in checks]
        points = sum(POINTS[check["state"]] for check in judged)
        return {"points": points, "of": len(judged), "checks": judged}

    paper = {
        "data": section(asked.data),
        "model": section(asked.model),
        "infrastructure": section(asked.infrastructure),
        "monitoring": section(asked.monitoring),
    }
    score = min(one["points"] for one in paper.values())
    means = MEANS[max(least for least in MEANS if least <= score)]
    return {"score": score, "means": means, "sections": {**paper, "own": section(asked.own)}}


def _judged(check: Check, find: Find) -> dict[str, Any]:
    evidence = [{"name": name, "found": find(name)} for name in check.evidence]
    state = "open"
    if evidence and all(one["found"] for one in evidence):
        state = "by hand" if any(name.endswith(".md") for name in check.evidence) else "automated"
    return {"name": check.name, "state": state, "evidence": evidence, "how": check.how}


def _found(evidence: str, reported: dict[str, Any]) -> str | None:
    """Return the version of a dataset, or where else evidence is found; None if there is none."""
    provenance = reported["provenance"]
    if evidence in provenance["kept"]:
        return "in the project"
    dataset, _, condition = evidence.partition(": ")
    file = provenance["files"].get(dataset)
    if file is None or _is_empty(reported.get(dataset)):
        return None
    checks = reported["verdict"]["checks"] if dataset == "verdict" else []
    if condition and not any(check["ok"] for check in checks if check["name"] == condition):
        return None
    return file["version"] or "git"


def _is_empty(data: Any) -> bool:
    return data is not None and len(data) == 0
