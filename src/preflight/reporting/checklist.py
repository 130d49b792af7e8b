"""The ML Test Score: which of the checks are done, by what is found when the report is made.

Breck and others (2017), The ML Test Score: a rubric for ML production readiness. A check that runs
by itself gives a point, one done by hand with documented results half a point; a section gives the
sum, and the lowest section is the score.
"""

from typing import Any

from preflight.reporting.contracts import Check, ChecklistParameters

MEANINGS = {  # from this score on
    0.0: "research, not yet a system to rely on",
    0.5: "not untested, but with holes that may be serious",
    1.5: "a first step to production; more is to be done",
    2.5: "reasonably tested, some of it still by hand",
    3.5: "well tested and monitored, as critical systems need",
    5.5: "exceptionally well tested and monitored",
}
POINTS = {"automated": 1.0, "by hand": 0.5, "open": 0.0}  # of a check, by its state


def score_checklist(reported: dict[str, Any], checklist: ChecklistParameters) -> dict[str, Any]:
    """Return the score, its meaning, and by section each check with its state and evidence."""

    def section(checks: list[Check]) -> list[dict[str, Any]]:
        return [
            {"name": check.name, "how": check.how, **_evaluate(check.evidence, reported)}
            for check in checks
        ]

    sections = {
        "data": section(checklist.data),
        "model": section(checklist.model),
        "infrastructure": section(checklist.infrastructure),
        "monitoring": section(checklist.monitoring),
    }
    score = min(sum(POINTS[check["state"]] for check in checks) for checks in sections.values())
    meaning = MEANINGS[max(least for least in MEANINGS if least <= score)]
    return {"score": score, "meaning": meaning, "sections": sections}


def _evaluate(evidence: list[str], reported: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a check, and where each piece of its evidence was found."""
    found = {name: _find(name, reported) for name in evidence}
    state = "open"
    if found and all(found.values()):
        state = "by hand" if any(name.endswith(".md") for name in found) else "automated"
    return {"state": state, "evidence": found}


def _find(evidence: str, reported: dict[str, Any]) -> str | None:
    """Return the version of a dataset, or where else evidence is found; None if there is none."""
    provenance = reported["provenance"]
    if evidence in provenance["kept"]:
        return "in the project"
    dataset, _, condition = evidence.partition(": ")
    data, file = reported.get(dataset), provenance["files"].get(dataset)
    if file is None or (data is not None and len(data) == 0):
        return None
    checks = reported["verdict"]["checks"] if condition else []
    if condition and not any(check["ok"] for check in checks if check["name"] == condition):
        return None
    return file["version"] or "git"
