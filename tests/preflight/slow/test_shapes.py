"""Data of other shapes: the changed table of a new project leads to a verdict all the same."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

PROJECT = Path(__file__).parents[3]
FRAMING, MODELING = (f"conf/base/parameters/{name}.yml" for name in ("framing", "modeling"))
QUICK = "modeling.search.trials=0,evaluation.replicates=200,audit.moments=8"


def kedro(project: Path, *arguments: str, answers: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        input=answers,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DO_NOT_TRACK": "1", "PWD": str(project)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def edit(project: Path, name: str, *changes: tuple[str, str]) -> None:
    text = (project / name).read_text()
    for old, new in changes:
        assert old in text, (name, old)
        text = text.replace(old, new)
    (project / name).write_text(text)


def edit_rows(project: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    file = project / "data/01_raw/parcels.csv"
    change(pd.read_csv(file)).to_csv(file, index=False)


def say_little(project: Path) -> None:
    """The smallest framing, and models by the task."""
    (project / FRAMING).write_text(
        """framing:
  decision: {unit: parcel, label: arrives broken}
  prediction: {lead_minutes: 120}
  costs: {fp: 3, fn: 15}
  split: {validation_share: 0.2, test_share: 0.2}
"""
    )
    (project / MODELING).write_text("modeling: {}\n")


def have_weekdays_only(project: Path) -> None:
    edit_rows(project, lambda t: t[pd.to_datetime(t["ships_at"]).dt.day_of_week < 5])


def have_few_rows(project: Path) -> None:
    edit_rows(project, lambda t: t.sample(300, random_state=0).sort_values("parcel"))
    say_little(project)


def decide_once_a_month(project: Path) -> None:
    def ship_on_the_first(table: pd.DataFrame) -> pd.DataFrame:
        ships = pd.to_datetime(table["ships_at"]).dt.strftime("%Y-%m-01T00:00:00+00:00")
        return table.assign(ships_at=ships)

    edit_rows(project, ship_on_the_first)
    days = ("resampling: {unit: day, block: null}", "resampling: {unit: month, block: null}")
    edit(project, FRAMING, days, ("label_known_hours: 150", "label_known_hours: 1000"))
    back = ('look_back="24D"', 'look_back="60D"')
    edit(project, "src/parcels/contracts/features.py", back)


def have_no_slices(project: Path) -> None:
    edit(project, FRAMING, ("slices: [place, month]", "slices: []"))


def have_codes_for_categories(project: Path) -> None:
    codes = {"north": 1, "south": 2, "west": 3}
    edit_rows(project, lambda t: t.assign(place=t["place"].map(codes)))
    places = ('["north", "south", "west"]', '["1", "2", "3"]')
    edit(project, "src/parcels/contracts/raw.py", places)


SHAPES = {
    "the smallest framing": (say_little, r"the candidate saves"),
    "weekdays only": (have_weekdays_only, r"41 test days"),
    "300 rows": (have_few_rows, r"too little data: 59 parcels of test, 100 are needed"),
    "monthly decisions": (decide_once_a_month, r"too little data: 2 months of test"),
    "no slices": (have_no_slices, r"the candidate saves"),
    "codes for categories": (have_codes_for_categories, r"the candidate saves"),
}


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, to be copied."""
    folder = tmp_path_factory.mktemp("shapes")
    kedro(folder, "new", f"--starter={PROJECT}", "--name", "Parcels", answers="no\n")
    return folder / "parcels"


@pytest.mark.parametrize("shape", SHAPES)
def test_data_of_another_shape_lead_to_a_verdict(shape: str, parcels: Path, tmp_path: Path) -> None:
    change, says = SHAPES[shape]
    project = tmp_path / "project"
    subprocess.run(["cp", "-r", str(parcels), str(project)], check=True)
    change(project)
    kedro(project, "accept-data")
    said = kedro(project, "run", "--params", QUICK)
    assert re.search(r"It would be (SHIP|HOLD): ", said), said
    assert re.search(says, said), said
    assert "Warning:" not in said
    (report,) = project.glob("data/08_reporting/report.html/*/report.html")
    assumed = "Assumed, because" in report.read_text()
    assert assumed == (change in {say_little, have_few_rows})
