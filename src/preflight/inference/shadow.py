"""A challenger in the shadow of the champion: it answers nobody, and its answers are compared."""

from itertools import groupby
from pathlib import Path
from typing import TypeVar

from pydantic import AwareDatetime, Field, ValidationError

from preflight.contracts.documents import Document
from preflight.errors import RunError
from preflight.files import replacing
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

SETTING = "data/06_models/shadow.json"
COMPARISONS = "data/07_model_output/shadow"  # a file for each start of the challenger's process

Read = TypeVar("Read", bound=Document)


class ShadowSetting(Document):
    """Which challenger is in the shadow."""

    challenger: str = Field(description="its version")
    since: AwareDatetime


class Times(Document):
    """Milliseconds that a model took for a request, of the last requests."""

    p50: float = Field(ge=0)
    p99: float = Field(ge=0)


class Comparison(Document):
    """A challenger's answers next to those of the champion to the same rows.

    Savings are those of the challenger's decisions less those of the champion's, summed. No label
    is known yet, so they are what the predictions of one model expect.
    """

    champion: str
    challenger: str
    since: AwareDatetime
    until: AwareDatetime
    rows: int = Field(ge=0, description="that were compared")
    dropped: int = Field(ge=0, description="rows that came while the challenger was late")
    failed: int = Field(ge=0, description="rows that the challenger could not answer")
    same: int = Field(ge=0, description="rows with the same decision")
    difference: float = Field(ge=0, description="of the predictions, in absolute value, summed")
    saved_if_champion: float = Field(description="if the champion's predictions come true")
    saved_if_challenger: float = Field(description="if the challenger's come true")
    champion_ms: Times | None
    challenger_ms: Times | None


SUMMED = ["rows", "dropped", "failed", "same", "difference"]
SUMMED += ["saved_if_champion", "saved_if_challenger"]


def read_shadow(path: Path) -> ShadowSetting | None:
    """Return which challenger is in the shadow; None: none is.

    Raises:
        RunError: the file is broken.
    """
    try:
        return _read(path, ShadowSetting, "Write it again: kedro shadow VERSION")
    except FileNotFoundError:
        return None


def _read(path: Path, document: type[Read], remedy: str) -> Read:
    """Return the document in a file; raise RunError with the remedy if it is broken."""
    try:
        return document.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise RunError(f"{path} is broken: {error.errors()[0]['msg']}. {remedy}") from error


def save_document(document: Document, path: Path) -> None:
    """Write a document in place of the one before."""
    with replacing(path, encoding="utf-8") as file:
        file.write(document.model_dump_json(indent=2))


def read_comparisons(folder: Path) -> list[Comparison]:
    """Return one comparison for each champion and challenger, the newest last.

    Raises:
        RunError: a file is broken.
    """
    files = sorted(folder.glob("*.json"))
    parts = [_read(file, Comparison, "Restore or delete it.") for file in files]
    parts.sort(key=lambda one: (one.champion, one.challenger, one.until))
    pairs = groupby(parts, key=lambda one: (one.champion, one.challenger))
    return sorted((add_up([*some]) for _, some in pairs), key=lambda one: one.until)


def add_up(parts: list[Comparison]) -> Comparison:
    """Return several comparisons of the same models as one; times are those of the last one."""
    sums = {name: sum(getattr(one, name) for one in parts) for name in SUMMED}
    since = min(one.since for one in parts)
    return parts[-1].model_copy(update={"since": since, **sums})


def describe_comparison(found: Comparison, framing: Framing) -> dict[str, str]:
    """Return what was found, as texts by name."""
    unit, rows = framing.costs.unit, max(found.rows, 1)
    units = framing.decision.units
    saved = [found.saved_if_champion, found.saved_if_challenger]
    low, high = (format_money(1000 * one / rows, unit) for one in saved)
    told = {
        "champion": found.champion,
        "challenger": found.challenger,
        "compared": f"{found.rows:,} {units} from {found.since:%Y-%m-%d %H:%M} to "
        f"{found.until:%Y-%m-%d %H:%M} UTC",
        "not compared": f"{found.dropped:,} dropped because the challenger was late, "
        f"{found.failed:,} that it could not answer",
    }
    if not found.rows:
        return told
    if framing.task == "binary":
        told["same decision"] = f"{found.same / rows:.1%}"
    told["predictions differ by"] = f"{found.difference / rows:.3g} on average"
    told["estimated saving"] = (
        f"{low} per 1,000 {units} if the champion's predictions are right, {high} if the "
        "challenger's are; labels will tell"
    )
    if (ours := found.champion_ms) and (theirs := found.challenger_ms):
        told["time for a request, at the lowest priority"] = (
            f"half within {theirs.p50:.1f} ms (champion {ours.p50:.1f}), 99% within "
            f"{theirs.p99:.1f} ms ({ours.p99:.1f})"
        )
    return told
