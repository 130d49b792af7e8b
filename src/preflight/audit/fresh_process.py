"""One moment replayed in a new process: what a function keeps between calls is not there."""

import pickle
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd

from preflight.audit.findings import Finding, finding
from preflight.audit.opened_files import Opened, watch_files
from preflight.audit.replay import Difference, Replay
from preflight.contracts.table import short
from preflight.features.point_in_time import run_in_memory
from preflight.processes import new_process

CHECK = "fresh process"
KEEPS = (
    "a function keeps values between calls, in a variable of its module or a cache, or depends on "
    "the order of a set: compute features from the inputs of the node alone"
)


class CannotLoadError(Exception):
    """The new process can't import what the pipeline is made of."""


def replay_in_fresh_process(
    past: Replay, moment: pd.Timestamp, data: Path
) -> tuple[list[Finding], Opened]:
    """Return whether features built in a new process are the run's, and the files it opened.

    Features that differ in this process, too, are left to the replay.

    data: the folder whose files are watched.
    """
    changes = past.changes().values()
    inputs = past.inputs_at(moment, *changes)
    used = {"features", *past.tables()}
    inputs["contracts"] = {name: one for name, one in past.contracts.items() if name in used}
    try:
        given = pickle.dumps((past.pipeline.to_outputs("features"), inputs))
        with new_process() as process:
            features, opened = process.submit(rebuild, given, data).result()
    except (pickle.PicklingError, AttributeError, CannotLoadError, BrokenProcessPool) as error:
        evidence = (
            f"a new process can't be given the functions of the features ({error}): define each "
            "with `def` in a module of the project"
        )
        return [finding(f"untested: {CHECK}", evidence, state="untested")], {}
    except Exception as error:  # whatever a feature function may raise
        evidence = f"the features can't be built in a new process: {error!r}. Most likely {KEEPS}"
        return [finding(CHECK, evidence, state="failed")], {}
    here = past.differences(moment, *changes)
    differ = {name: one for name, one in past.compare(features, moment).items() if name not in here}
    return [_report(differ, moment)], opened


def rebuild(given: bytes, data: Path) -> tuple[pd.DataFrame, Opened]:
    """Return the features that a pickled pipeline makes of its inputs, and the files it opens.

    Raises:
        CannotLoadError: a function or class of the pipeline can't be imported.
    """
    with watch_files(data) as opened:
        try:
            pipeline, inputs = pickle.loads(given)
        except (AttributeError, ImportError) as error:
            raise CannotLoadError(str(error)) from error
        return run_in_memory(pipeline, inputs, "features"), opened


def _report(differ: dict[str, Difference], moment: pd.Timestamp) -> Finding:
    when = f"of decisions due by {moment:%Y-%m-%d %H:%M} UTC"
    if not differ:
        evidence = f"the features {when} were built in a new process: they equal the run's"
        return finding(CHECK, evidence, 0, limit=0)
    first = next(iter(differ.values()))
    evidence = (
        f"{', '.join(differ)} {when} differ in a new process, the first ({first.example}): "
        f"{short(first.replayed)} there, {short(first.in_the_run)} in the run. So {KEEPS}"
    )
    return finding(CHECK, evidence, len(differ), limit=0)
