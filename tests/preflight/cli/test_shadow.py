"""A challenger is put into the shadow by a command that looks at it first."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, MemoryDataset

from preflight.cli import cli
from preflight.cli.shadow import put_in_shadow, show_shadow
from preflight.deployment import champion
from preflight.errors import RunError
from preflight.inference.shadow import COMPARISONS, SETTING, Comparison, save_document


@pytest.fixture
def catalog(parcels: Any) -> DataCatalog:
    known, other = {"features": list(parcels.names())}, {"features": ["weather"]}
    read = {"c1": lambda: known, "c2": lambda: other, "c3": lambda: known}
    given = {"challengers": read, "contracts": {"features": parcels}}
    return DataCatalog({k: MemoryDataset(v, copy_mode="assign") for k, v in given.items()})


def test_a_challenger_is_put_into_the_shadow_and_shown(
    tmp_path: Path, catalog: DataCatalog, framing: Any
) -> None:
    (line,) = show_shadow(tmp_path, framing)
    assert line == "No challenger is in the shadow. Put one there: kedro shadow VERSION"
    put_in_shadow(tmp_path, catalog, "c1")
    line, nothing = show_shadow(tmp_path, framing)
    assert nothing == "Nothing is compared yet."
    assert line.startswith("In the shadow since 2")
    assert ": c1. The service follows" in line
    now = datetime(2026, 1, 1, tzinfo=UTC)
    found = Comparison(
        champion="v1", challenger="c1", since=now, until=now, rows=10, dropped=0, failed=0, same=9,
        difference=1, saved_if_champion=0, saved_if_challenger=0, champion_ms=None,
        challenger_ms=None,
    )  # fmt: skip
    save_document(found, tmp_path / COMPARISONS / "1.json")
    told = list(show_shadow(tmp_path, framing))
    assert "The comparison:" in told
    assert "  same decision: 90.0%" in told
    put_in_shadow(tmp_path, catalog, "c3")  # figures of another one are not shown as its own
    assert "Nothing is compared yet." in show_shadow(tmp_path, framing)
    (tmp_path / SETTING).unlink()
    assert "The last comparison:" in show_shadow(tmp_path, framing)


def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, catalog: DataCatalog, promote: Any, served: dict[str, Any]
) -> None:
    with pytest.raises(
        RunError, match=r"no challenger c4. There are: c1, c2, c3. Make one: kedro run"
    ):
        put_in_shadow(tmp_path, catalog, "c4")
    with pytest.raises(RunError, match="reads features that are not in the contract"):
        put_in_shadow(tmp_path, catalog, "c2")
    promote(tmp_path, served["bundle"], "c1")
    with pytest.raises(RunError, match="c1 is the champion: compare it with another model"):
        put_in_shadow(tmp_path, catalog, "c1")
    assert not (tmp_path / SETTING).exists()
    assert champion.current(tmp_path / champion.POINTER) is not None


def test_a_version_and_off_exclude_each_other(tmp_path: Path) -> None:
    project = SimpleNamespace(project_path=tmp_path)
    done = CliRunner().invoke(cli, ["shadow", "c1", "--off"], obj=project)
    assert done.exit_code == 2
    assert "Give a version, or --off." in done.output
