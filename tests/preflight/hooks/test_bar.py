"""The bar: what it expects, how much is left, and that it leaves no trace."""

import io
import json
import logging
import sys
from pathlib import Path

import pytest

from preflight.hooks.bar import OTHERWISE, TYPICAL, Bar, Estimate, expected_seconds, format_seconds
from preflight.progress import report_progress
from preflight.runs.manifest import RUN_MANIFEST


def leave(project: Path, version: str, content: str) -> None:
    path = project / RUN_MANIFEST / version / "run_manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)


def test_a_node_takes_as_long_as_in_the_newest_run_that_made_it(tmp_path: Path) -> None:
    leave(tmp_path, "2013-01-01T00.00.00.000Z", json.dumps({"nodes": {"a.x": 1.0, "a.y": 2.0}}))
    leave(tmp_path, "2013-01-02T00.00.00.000Z", json.dumps({"nodes": {"a.x": 5.0, "a.y": None}}))
    leave(tmp_path, "2013-01-03T00.00.00.000Z", '{"nodes": ')  # its writer was killed
    names = ["a.x", "a.y", "b.search_parameters", "b.other"]
    assert expected_seconds(tmp_path, names) == {
        "a.x": 5.0,
        "a.y": 2.0,
        "b.search_parameters": TYPICAL["search_parameters"],
        "b.other": OTHERWISE,
    }


def test_time_left_is_what_is_expected_and_share_what_has_passed_of_it() -> None:
    run = Estimate({"short": 10.0, "long": 30.0}, now=100.0)
    assert run.seconds_left(100.0) == 40.0
    assert run.share(100.0) == 0.0
    run.begin("short", 100.0)
    assert run.seconds_left(104.0) == pytest.approx(36.0)
    run.begin("long", 110.0)
    assert run.seconds_left(110.0) == pytest.approx(30.0)
    assert run.share(110.0) == pytest.approx(0.25)


def test_a_slow_machine_has_more_time_left_and_the_share_never_falls() -> None:
    run = Estimate({"first": 10.0, "second": 30.0}, now=0.0)
    run.begin("first", 0.0)
    before = run.share(9.0)
    run.begin("second", 30.0)  # three times as long as expected
    assert run.seconds_left(30.0) == pytest.approx(2 * 30.0)
    assert run.share(30.0) >= before
    later = [run.share(float(now)) for now in range(30, 200, 10)]
    assert later == sorted(later)
    assert later[-1] < 1.0


def test_trials_that_were_done_before_do_not_make_the_others_look_quick() -> None:
    run = Estimate({"search": 80.0}, now=0.0)
    run.begin("search", 0.0)
    run.report(0.5, 0.0)
    assert run.seconds_left(0.0) == pytest.approx(40.0)
    run.report(0.75, 5.0)
    assert run.seconds_left(5.0) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.2, "3 s"), (42.0, "40 s"), (58.0, "1 min"), (125.0, "2 min"), (4810.0, "1 h 20 min")],
)
def test_a_rough_time_is_written_in_its_unit(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.mark.parametrize("columns", ["120", "40"])
def test_log_lines_appear_above_the_bar_and_in_the_terminal_after_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    log = logging.getLogger("preflight.bar_test")
    log.addHandler(handler)
    try:
        assert Bar.fits()
        bar = Bar({"modeling.search": 10.0})
        bar.start()
        bar.begin("modeling.search")
        log.warning("a line above it")
        report_progress(4, 12, "trials", "a line that a bar replaces")
        bar._live.refresh()
        bar.stop()
        log.warning("a line after it")
    finally:
        log.removeHandler(handler)
    assert sys.stderr is terminal
    assert handler.stream is terminal
    written = terminal.getvalue()
    assert "a line above it" in written
    assert "a line that a bar replaces" not in written
    assert "left" in written
    assert ("4 of 12 trials" in written) == (columns == "120")
    erased, _, after = written.rpartition("\x1b[2K")
    assert erased
    assert after.strip() == "a line after it"


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("TERM", "unknown")])
def test_no_bar_without_a_terminal_that_can_erase_a_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    assert Bar.fits()
    monkeypatch.setenv(name, value)
    assert not Bar.fits()


def test_no_bar_in_a_file_even_if_colors_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not Bar.fits()


def test_without_a_bar_progress_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    report_progress(4, 12, "trials", "search: 4 of 12 trials")
    report_progress(5, 12, "trials")
    assert [one.message for one in caplog.records] == ["  search: 4 of 12 trials"]
