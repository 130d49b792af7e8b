"""The last lines of a run: the decision, the gain, where the report is and what comes next."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

Lines = Iterator[tuple[str, str]]  # heading and text
HEADING = 10  # columns
PROMOTE = "kedro run --pipelines deployment   (makes this candidate the champion)"
IMPROVE = "see in the report where it fails, change features or models, then: kedro run"
WHAT_IF = "a what-if is never promoted: put its settings into conf/base, then: kedro run"
GAIN = "the gain is not enough"
MEASURE = "Deployment measures it again: kedro run --pipelines deployment"


def summarize_run(made: set[str], catalog: Any) -> list[str]:
    """Return the last lines of a run that made these datasets."""
    return [_line(heading, text) for heading, text in _summarize(made, catalog)]


def _summarize(made: set[str], catalog: Any) -> Lines:
    if "preview" in made:
        from preflight.modeling.preview import describe_preview

        yield from describe_preview(catalog.load("preview")).items()
    verdict = catalog.load("verdict") if "verdict" in made else None
    if verdict:
        yield from _decision(verdict)
    if "report" in made:
        yield "Report", os.path.relpath(catalog["report"]._get_load_path())
    if verdict:
        is_ship = verdict["decision"] == "ship"
        yield "Next", WHAT_IF if verdict["what_if"] else PROMOTE if is_ship else IMPROVE
        yield "Rests on", _basis(verdict, catalog)
        yield from _speed(verdict)
    elif "audit" in made:
        yield "Audit", f"passed. Assumed, not checked: {_assumed(catalog) or 'nothing'}."
    if "promotion" in made:
        yield "PROMOTED", f"{catalog.load('promotion')['version']} is the champion."
        yield "Next", "to go back to the champion before: kedro rollback"


def _decision(verdict: dict[str, Any]) -> Lines:
    """Yield the decision with the reasons against it, and the gain."""
    gain = next(one["message"] for one in verdict["checks"] if one["name"] == "gain")
    decision = "SHIP" if verdict["decision"] == "ship" else "DO NOT SHIP"
    reasons = [GAIN if one == gain else one for one in verdict["reasons"]]
    if verdict["what_if"]:
        decision = f"{reasons.pop(0)}. It would be {decision}"
    if verdict["decision"] == "ship":
        reasons.remove(GAIN)
    yield "Verdict", ": ".join([decision, *filter(None, ["; ".join(reasons)])])
    yield "Gain", f"{gain[0].upper()}{gain[1:]}"


def _basis(verdict: dict[str, Any], catalog: Any) -> str:
    """Return what the verdict assumes, and how often the test set was used."""
    assumed = f"the assumption about {columns}" if (columns := _assumed(catalog)) else ""
    unstated = len(verdict["assumed"])
    settings = f"{unstated} settings that nobody stated" if unstated else ""
    number = f"candidate {verdict['test_set']['number']} evaluated on this test set"
    return ", ".join(filter(None, [assumed, settings, number]))


def _assumed(catalog: Any) -> str:
    """Return what the audit could not check."""
    audit = catalog.load("audit") if "audit" in catalog else None
    if audit is None:
        return ""
    known = audit["state"].isin(["passed", "warning", "allowed"])
    return ", ".join(name.removeprefix("assumption: ") for name in audit.loc[~known, "check"])


def _speed(verdict: dict[str, Any]) -> Lines:
    from preflight.modeling.resources import is_speed, violations

    speed = [one for one in verdict["limits"] if is_speed(one)]
    if slow := violations(speed, verdict["value"]["unit"]):
        yield "Speed", f"{'; '.join(slow)}. {MEASURE}"


def _line(heading: str, text: str) -> str:
    """Return a line; in a terminal it is broken between words, and indented."""
    line = f"{heading:{HEADING}}{text}"
    if not sys.stderr.isatty():
        return line
    width = max(shutil.get_terminal_size().columns, 3 * HEADING)
    indent = " " * HEADING
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
