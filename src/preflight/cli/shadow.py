"""Which challenger is in the shadow of the champion, and how they compare."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preflight.deployment import champion
from preflight.errors import RunError
from preflight.inference.shadow import (
    COMPARISONS,
    SETTING,
    ShadowSetting,
    describe_comparison,
    read_comparisons,
    read_shadow,
    save_document,
)
from preflight.inference.variants import choose_challenger
from preflight.problem.framing import Framing


def put_in_shadow(project: Path, catalog: Any, version: str) -> None:
    """Put a challenger into the shadow.

    Raises:
        RunError: it is the champion, is not on the disk, or wants features that are not there.
    """
    now = champion.current(project / champion.POINTER)
    if now and now.version == version:
        raise RunError(f"{version} is the champion: compare it with another model.")
    challengers, features = catalog.load("challengers"), catalog.load("contracts")["features"]
    choose_challenger(version, challengers, now.version if now else None, features)
    setting = ShadowSetting(challenger=version, since=datetime.now(UTC))
    save_document(setting, project / SETTING)


def show_shadow(project: Path, framing: Framing) -> Iterator[str]:
    """Yield which challenger is in the shadow, and the newest comparison, as lines."""
    if setting := read_shadow(project / SETTING):
        since = f"{setting.since:%Y-%m-%d %H:%M} UTC"
        yield f"In the shadow since {since}: {setting.challenger}. The service follows: make serve"
    else:
        yield "No challenger is in the shadow. Put one there: kedro shadow VERSION"
    wanted = setting and setting.challenger
    found = read_comparisons(project / COMPARISONS)
    found = [one for one in found if wanted in (None, one.challenger)]
    if setting and not found:
        yield "Nothing is compared yet."
    if found:
        yield "The comparison:" if setting else "The last comparison:"
        for name, text in describe_comparison(found[-1], framing).items():
            yield f"  {name}: {text}"
