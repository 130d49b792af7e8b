"""Ctrl-C: one sentence, how to continue, exit status 130, and nothing that looks complete."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from preflight.files import UNFINISHED
from preflight.hooks import interrupts
from preflight.runs.manifest import RUN_MANIFEST

Project = Callable[..., Path]
Kedro = Callable[..., subprocess.CompletedProcess[str]]

CTRL_C = """

import os, signal, threading

def stop(*_):
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(60)
"""
SETTINGS = "src/late_flights/settings.py"
CLEANING = "src/late_flights/pipelines/data_engineering/nodes.py"
FEATURES = "src/late_flights/pipelines/feature_engineering/nodes.py"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def stopped(done: subprocess.CompletedProcess[str]) -> str:
    """Return the sentence of a command that was stopped."""
    assert done.returncode == interrupts.STATUS == 130, done.stderr
    for unwanted in ("Traceback", "Aborted", "KeyboardInterrupt"):
        assert unwanted not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("Stopped")]
    assert len(lines) == 1
    return lines[0]


def test_a_run_that_is_stopped_during_the_imports_has_nothing_to_keep(
    project: Project, kedro: Kedro
) -> None:
    where = project()
    append(where / SETTINGS, f"{CTRL_C}\nstop()\n")
    assert stopped(kedro(where, "run")) == "Stopped: nothing was begun."


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner"])
def test_a_run_that_is_stopped_in_a_node_names_the_stages_that_are_left(
    runner: str, project: Project, kedro: Kedro
) -> None:
    where = project()
    append(where / FEATURES, f"{CTRL_C}\ncompute_labels = stop\n")
    stages = "data_engineering,feature_engineering"
    params = "framing.costs.fn=400"
    given = ["run", "--pipelines", stages, "--params", params, "--runner", runner]
    said = stopped(kedro(where, *given))
    assert said.startswith("Stopped. Finished stages are kept; to continue: kedro run --pipelines ")
    if runner == "SequentialRunner":  # with threads, cleaning may not be done
        assert said.endswith(f" feature_engineering --params {params}")
    (path,) = (where / RUN_MANIFEST).glob("*/*.json")
    manifest = json.loads(path.read_text())
    assert (manifest["status"], manifest["error"]) == ("failed", "stopped by Ctrl-C")
    assert "flights" in manifest["outputs"]
    assert "labels" not in manifest["outputs"]
    assert not [*where.glob(f"data/**/*{UNFINISHED}")]


def test_a_table_that_is_half_written_when_the_run_is_stopped_is_not_there(
    project: Project, kedro: Kedro
) -> None:
    where = project()
    writing = """
import pandas as pd
_to_parquet = pd.DataFrame.to_parquet

def to_parquet(table, file, **options):
    file.write(b"PAR1 and no more")
    print("half written")
    stop()

pd.DataFrame.to_parquet = to_parquet
"""
    append(where / CLEANING, CTRL_C + writing)
    done = kedro(where, "run", "--pipelines", "data_engineering")
    assert "data_engineering" in stopped(done)
    assert done.stdout == "half written\n"
    assert [*where.glob("data/03_primary/**/*.parquet/*/*")] == []


def test_a_terminal_has_a_bar_that_vanishes(project: Project) -> None:
    where, (main, terminal) = project(), pty.openpty()
    plain = {name: v for name, v in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--pipelines", "data_engineering"],
        cwd=where,
        env=plain | {"TERM": "xterm"},
        stderr=terminal,
    )
    os.close(terminal)
    written = b""
    while part := read(main):
        written += part
    os.close(main)
    assert process.wait() == 0
    text = written.decode()
    assert "data engineering: " in text
    assert "left" in text
    erased, _, after = text.rpartition("\x1b[2K")
    assert erased
    assert "left" not in after
    assert "Done: data_engineering" in text


def read(terminal: int) -> bytes:
    """Return what a terminal has to read; nothing when the last writer has closed it."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # so Linux says it
        return b""


@pytest.mark.parametrize(
    ("arguments", "is_command"),
    [
        (["python -m kedro", "run"], True),
        (["/usr/bin/kedro", "run", "--pipelines", "preview"], True),
        (["/usr/bin/kedro", "ipython"], False),
        (["/lib/pytest/__main__.py", "tests"], False),
        (["/lib/ipykernel_launcher.py", "-f", "x.json"], False),
    ],
)
def test_only_commands_are_stopped_so(
    arguments: list[str], is_command: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert interrupts._is_command() == is_command
