"""One list of leaks and defects of data, each planted in three projects that have a clock.

The flights (a year of one carrier), the parcels of a new project, and hours in which bikes are
hired. Each defect either stops the run or is a warning, and the message says what it is. The clean
projects pass.
"""

import hashlib
import math
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

PROJECT = Path(__file__).parents[3]
STAGES = ["run", "--pipelines", "data_engineering,feature_engineering,audit"]
QUICK = ["--params", "audit.moments=16"]
Done = subprocess.CompletedProcess[str]


class Kind(NamedTuple):
    """What the code of a defect is filled in with: names of one project."""

    package: str
    main: str  # the table of decisions
    clean: str  # the function that makes it
    build: str  # a function of features, and a feature that it makes
    feature: str
    outcome: str
    limit: str  # about half of the outcomes are above it
    known: str  # when the outcome is
    event: str
    number: str  # a column that is known in advance
    raw: str


KINDS = {
    "flights": Kind(
        "late_flights", "flights", "clean_flights", "build_previous_leg_features", "slack",
        "arrival_delay", "0", "arrived_at", "scheduled_departure", "distance", "flights.csv",
    ),
    "parcels": Kind(
        "parcels", "parcels", "clean_parcels", "build_history_features", "broken_share",
        "broken", "0.5", "delivered_at", "ships_at", "weight", "parcels.csv",
    ),
    "bikes": Kind(
        "busy_hours", "hours", "clean_hours", "build_history_features", "last_hour",
        "bikers", "100", "over_at", "starts_at", "hr", "Bikeshare.csv",
    ),
}  # fmt: skip
ALL = [*KINDS]


class Defect(NamedTuple):
    """Code in which {name} is a field of `Kind`, and the message that is expected."""

    where: str  # the function that is changed
    code: str  # has `result` and the first input, `t`
    stops: bool
    caught: str
    on: list[str] = ALL


STOPS, WARNS = True, False
KNOWN_AT = r"known_at.*: {feature}: "
DEAD = (
    'at = result[0]["{event}"]\n'
    'late = at > at.min() + pd.Timedelta("170D")\n'
    'same = result[0]["{number}"].mask(late, 5)\n'
    'result = (result[0].assign(**{{"{number}": same}}), result[1])'
)
DEFECTS = {
    "a feature is the outcome": Defect(
        "{build}",
        'result["{feature}"] = (t["{outcome}"] > {limit}).astype(result["{feature}"].dtype)',
        STOPS,
        KNOWN_AT,
    ),
    "a feature tells whether the outcome is known": Defect(
        "{build}",
        'result["{feature}"] = t["{known}"].isna().astype(result["{feature}"].dtype)',
        STOPS,
        KNOWN_AT,
    ),
    "a feature is a mean over all rows": Defect(
        "{build}",
        'result["{feature}"] = result["{feature}"] * 0 + (t["{outcome}"] > {limit}).mean()',
        STOPS,
        r"(known_at|look_back|look_ahead).*: {feature}: ",
    ),
    "a feature is the position in the file": Defect(
        "{build}",
        'result["{feature}"] = (np.arange(len(t)) / 1e5).astype(result["{feature}"].dtype)',
        STOPS,
        r"row_order.*: {feature}: ",
    ),
    "a feature looks further back than it declares": Defect(
        "{build}",
        'rank = t["{event}"].rank(method="min") / 1e5\n'
        'result["{feature}"] = rank.astype(result["{feature}"].dtype)',
        STOPS,
        r"look_back.*: {feature}: ",
    ),
    "a feature is kept from an earlier call": Defect(
        "{build}",
        'result["{feature}"] = result["{feature}"] * 0 + KEPT.setdefault("rows", len(t)) / 1e5',
        STOPS,
        r"fresh process: {feature}",
    ),
    "a function reads a file itself": Defect(
        "{build}",
        'pathlib.Path("data/01_raw/manifest.json").read_bytes()',
        STOPS,
        r"files: features: data/01_raw/manifest.json is opened by",
    ),
    "decisions are made an hour late": Defect(
        "compute_prediction_times",
        'result = result + pd.Timedelta("1h")',
        STOPS,
        r"predict_at of [\d,]+ of [\d,]+ decisions is not {event} of {main}",
    ),
    "labels are known before the decision": Defect(
        "compute_labels",
        'result["label_known_at"] = result["label_known_at"] - pd.Timedelta("400D")',
        STOPS,
        r"the label is known after the prediction",
    ),
    "all labels are the same": Defect(
        "compute_labels",
        'result["label"] = result["label"] * 0',
        STOPS,
        r"All [\d,]+ labels are 0, with predictions",
    ),
    "labels are moved after the split": Defect(
        "split_examples",
        'result[0].loc[:49, "label"] = result[0].loc[:49, "label"].to_numpy()[::-1]',
        STOPS,
        r"labels of train: [\d,]+ rows of train have another label",
    ),
    "decisions of the test set are in train": Defect(
        "split_examples",
        "result = (pd.concat([result[0], result[2].head(5)], ignore_index=True), *result[1:])",
        STOPS,
        r"same decision: 5 rows have the decision of an earlier part",
    ),
    "cleaning loses rows": Defect(
        "{clean}",
        "result = (result[0][result[0].index % 50 > 0].reset_index(drop=True), result[1])",
        STOPS,
        r"rows of {main}: .*by the log of cleaning",
    ),
    "cleaning fills gaps from later rows": Defect(
        "{clean}",
        'gaps = result[0].sort_values("{event}")["{number}"].astype(float)\n'
        "gaps = gaps.where(np.arange(len(gaps)) % 3 == 0).bfill().fillna(1)\n"
        'kind = result[0]["{number}"].dtype\n'
        'result = (result[0].assign(**{{"{number}": gaps.astype(kind)}}), result[1])',
        STOPS,
        r"cleaning: {main}.{number}",
        ["flights", "parcels"],  # the raw hours have no column with a moment
    ),
    "a column is dead from a day on": Defect(
        "{clean}", DEAD, WARNS, r"dead column: {main}.{number}", ["flights", "bikes"]
    ),
    "a column is dead from a day on, so that rows are equal": Defect(
        "{clean}", DEAD, STOPS, r"(?s)dead column: {main}.{number}.*same row", ["parcels"]
    ),
    "a month has no rows": Defect(
        "{clean}",
        'at, half = result[0]["{event}"], pd.Timedelta("12h")\n'
        "gone = ((at - half).dt.month == 4) | ((at + half).dt.month == 4)\n"
        'log = pd.DataFrame({{"table": ["{main}"], "finding": ["April"]}})\n'
        'log = log.assign(action="excluded", rows=int(gone.sum()), of=len(result[0]))\n'
        "result = (result[0][~gone].reset_index(drop=True), pd.concat([result[1], log]))",
        WARNS,
        r"empty months: {main}: .*April",
    ),
    "a category is new in the test period": Defect(
        "{clean}",
        'dest = result[0]["dest"].astype("str")\n'
        'dest = dest.mask(result[0]["{event}"].dt.day_of_year > 363, "ZZZ")\n'
        'result = (result[0].assign(dest=dest.astype("category")), result[1])',
        WARNS,
        r"new values: flights.dest: .*ZZZ \(\d+\)",
        ["flights"],
    ),
    "the clock of one station is wrong": Defect(
        "clean_weather",
        'here = result[0]["origin"] == "JFK"\n'
        'for at in result[0].select_dtypes("datetimetz"):\n'
        '    later = result[0][at] + pd.Timedelta("5h")\n'
        "    result[0][at] = result[0][at].mask(here, later)",
        STOPS,
        r"clock: weather.origin JFK",
        ["flights"],
    ),
    "one station reports in another unit": Defect(
        "clean_weather",
        'here = result[0]["origin"] == "JFK"\n'
        'result[0]["temp"] = result[0]["temp"].mask(here, (result[0]["temp"] - 32) / 1.8)',
        STOPS,
        r"unit: weather.temp of origin JFK: .*as °C in place of °F",
        ["flights"],
    ),
    "one month is in another unit": Defect(
        "clean_weather",
        'here = result[0]["published_at"].dt.month == 7\n'
        'result[0]["temp"] = result[0]["temp"].mask(here, (result[0]["temp"] - 32) / 1.8)',
        STOPS,
        r"unit by month: weather.temp: .*July 2013, as °C in place of °F",
        ["flights"],
    ),
    "some rows are in another unit": Defect(
        "clean_weather",
        "here = np.random.default_rng(0).random(len(result[0])) < 0.04\n"
        'result[0]["temp"] = result[0]["temp"].mask(here, (result[0]["temp"] - 32) / 1.8)',
        STOPS,
        r"mixed units: weather.temp: .*as °C in place of °F",
        ["flights"],
    ),
}
HEAD = (
    "\n\nimport functools\nimport pathlib\n\nimport numpy as np\nimport pandas as pd\n\nKEPT = {}\n"
)
PLANTED = """

def _planted(honest):
    @functools.wraps(honest)
    def planted(*inputs):
        result, t = honest(*inputs), inputs[0]
        CODE
        return result

    return planted


FUNCTION = _planted(FUNCTION)
"""


def kedro(project: Path, *arguments: str, answers: str = "") -> Done:
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        input=answers,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DO_NOT_TRACK": "1", "PWD": str(project)},
    )


def hire_bikes() -> pd.DataFrame:
    """A year of hours in the form of the tutorial's table, from a formula and a seed."""
    chance, rows = random.Random(1), []
    for number in range(365 * 24):
        day, hour = divmod(number, 24)
        if (day, hour) == (71, 2):  # left out by the clocks of Washington
            continue
        off = (day + 6) % 7 in (0, 6)
        usual = (40 if off else 70) + 60 * math.exp(-((hour - (14 if off else 17.5)) ** 2) / 8)
        bikers = max(1, round(usual * (1 - 0.5 * math.cos(day / 58)) * chance.uniform(0.5, 1.5)))
        weather = [round(chance.uniform(0, 1), 2) for _ in range(4)]
        calendar = [1, "month", day + 1, hour, 0, (day + 6) % 7, int(not off)]
        sky = chance.choice(["clear", "light rain/snow"])
        rows.append([*calendar, sky, *weather, 0, bikers, bikers])
    names = "season mnth day hr holiday weekday workingday weathersit temp atemp hum windspeed"
    return pd.DataFrame(rows, columns=[*names.split(), "casual", "registered", "bikers"])


def make_new(folder: Path, name: str) -> Path:
    done = kedro(folder, "new", f"--starter={PROJECT}", "--name", name.title(), answers="no\n")
    assert done.returncode == 0, done.stderr
    return folder / name


@pytest.fixture(scope="session")
def clean(
    tmp_path_factory: pytest.TempPathFactory, raw_tables: dict[str, pd.DataFrame], page: Any
) -> Callable[[str], Path]:
    """The three projects, made when they are first asked for, and the run of each that passes."""
    folder = tmp_path_factory.mktemp("planted")

    def make(kind: str) -> Path:
        project = folder / KINDS[kind].package.replace("_", "-")
        if project.exists():
            return project
        if kind == "flights":
            ignored = shutil.ignore_patterns("local", "__pycache__", "0[2-8]_*", "*.zip")
            for name in ("src", "conf", "data"):
                shutil.copytree(PROJECT / name, project / name, ignore=ignored)
            for name in ("pyproject.toml", ".telemetry"):
                shutil.copy(PROJECT / name, project)
            (project / "conf/local").mkdir()
            flights = raw_tables["flights.csv.zip"].query("carrier == 'US'")
            flights.to_csv(project / "data/01_raw/flights.csv.zip", index=False)
        else:
            make_new(folder, project.name)
        if kind == "bikes":
            page("tutorial").write_all(project)
            (project / "data/01_raw/parcels.csv").unlink()
            hire_bikes().to_csv(project / "data/01_raw/Bikeshare.csv", index=False)
            audit = project / "conf/base/parameters/audit.yml"
            settings = audit.read_text()
            for limit in ("single_auc", "pair_auc"):
                settings = re.sub(rf"{limit}: [\d.]+", f"{limit}: 0.99", settings)
            audit.write_text(settings)
        assert kedro(project, "accept-data").returncode == 0
        return project

    return make


def plant(project: Path, kind: Kind, defect: Defect) -> None:
    """Put the code of a defect behind the function that it changes."""
    function, code = (text.format(**kind._asdict()) for text in (defect.where, defect.code))
    stage = "data_engineering" if "clean" in function else "feature_engineering"
    nodes = project / f"src/{kind.package}/pipelines/{stage}/nodes.py"
    head = HEAD
    if function == "split_examples":
        head += "\nfrom preflight.features import split_examples\n"
        pipeline = nodes.with_name("pipeline.py")
        text = pipeline.read_text()
        assert text.count("features.split_examples") == 1
        pipeline.write_text(text.replace("features.split_examples", "nodes.split_examples"))
    body = PLANTED.replace("FUNCTION", function).replace("CODE", code.replace("\n", "\n        "))
    nodes.write_text(nodes.read_text() + head + body)


@pytest.mark.parametrize("kind", ALL)
def test_the_clean_project_passes(kind: str, clean: Callable[[str], Path], tmp_path: Path) -> None:
    project = Path(shutil.copytree(clean(kind), tmp_path / "project"))
    done = kedro(project, *STAGES, *QUICK)
    assert done.returncode == 0, done.stderr
    assert list(project.glob("data/05_model_input/audit.parquet/*/audit.parquet"))


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, defect in DEFECTS.items() for kind in defect.on]
)
def test_a_planted_defect_is_caught_with_its_message(
    name: str, kind: str, clean: Callable[[str], Path], tmp_path: Path
) -> None:
    project, defect = Path(shutil.copytree(clean(kind), tmp_path / "project")), DEFECTS[name]
    plant(project, KINDS[kind], defect)
    done = kedro(project, *STAGES, *QUICK)
    assert (done.returncode != 0) == defect.stops, done.stderr
    assert re.search(defect.caught.format(**KINDS[kind]._asdict()), done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    made = [*project.glob("data/05_model_input/audit.parquet/*/audit.parquet")]
    assert bool(made) != defect.stops


FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "UTF-16": (lambda text: text.decode().encode("utf-16"), r"UTF-16"),
    "cut short": (lambda text: text[: len(text) * 2 // 3], r"row [\d,]+"),
    "a comma at the end of each row": (
        lambda text: b"\n".join(
            [*text.splitlines()[:1], *(x + b"," for x in text.splitlines()[1:])]
        ),
        r"row 1 ",
    ),
    "no rows": (lambda text: text.splitlines()[0] + b"\n", r"a header and no rows"),
    "empty": (lambda text: b"", r"is empty"),
}


@pytest.mark.parametrize("fault", FILES)
@pytest.mark.parametrize("kind", ["parcels", "bikes"])
def test_a_damaged_file_is_refused_and_the_manifest_stays(
    kind: str, fault: str, clean: Callable[[str], Path], tmp_path: Path
) -> None:
    project = Path(shutil.copytree(clean(kind), tmp_path / "project"))
    file, manifest = (project / "data/01_raw" / n for n in (KINDS[kind].raw, "manifest.json"))
    before = hashlib.sha256(manifest.read_bytes()).digest()
    change, says = FILES[fault]
    file.write_bytes(change(file.read_bytes()))
    for command in (["accept-data"], ["contract", f"data/01_raw/{file.name}"]):
        done = kedro(project, *command)
        assert done.returncode != 0
        assert file.name in done.stderr
        assert re.search(says, done.stderr), done.stderr
        assert "Traceback" not in done.stderr
    assert hashlib.sha256(manifest.read_bytes()).digest() == before


@pytest.mark.parametrize("kind", ALL)
def test_modeling_that_reads_the_test_set_does_not_begin(
    kind: str, clean: Callable[[str], Path], tmp_path: Path
) -> None:
    project = Path(shutil.copytree(clean(kind), tmp_path / "project"))
    pipeline = project / f"src/{KINDS[kind].package}/pipelines/modeling/pipeline.py"
    text, read = pipeline.read_text(), '["train", "validation", "split_summary"'
    assert text.count(read) == 1
    pipeline.write_text(text.replace(read, '["train", "test", "split_summary"'))
    done = kedro(project, "run", "--pipelines", "modeling")
    assert done.returncode == 1
    assert "'test' reaches 'candidate' through" in done.stderr
