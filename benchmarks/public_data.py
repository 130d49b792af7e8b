"""From `kedro new` to a verdict on public data: lines to write, and minutes.

    pip download --no-deps causaldata==0.1.5
    tar -xzf causaldata-*.tar.gz --strip-components 3 --wildcards '*/restaurant_data.csv'
    python -m benchmarks.public_data --kitchens restaurant_data.csv

What is written stands in `benchmarks/public`. `kitchens` has one decision a year and 1,618 names:
which kitchens of Anchorage get advice before their inspection. `docs/tutorial.md` and
`docs/yours.md` lead to two more verdicts; a test follows these pages.

Lines are those that `git diff --numstat` counts as added, without the data and the raw manifest's
hash.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import PROJECT
from benchmarks.measure import arguments, table

WRITTEN = PROJECT / "benchmarks/public"
AUDIT = "conf/base/parameters/audit.yml"
EDITS = {  # limits of the audit that are too strict for these data, and why
    "kitchens": {  # a kitchen with the same history is the same row
        "duplicate_share: 0.001 ": "duplicate_share: 0.1 ",
    },
}
RAW = {"kitchens": "inspections.csv"}


def make_project(name: str, csv: str, folder: Path) -> Path:
    """Return a new project with what was written for these data, and its raw file."""
    run([*KEDRO, "new", f"--starter={PROJECT}", "--name", name.title()], folder, "no\n")
    project = folder / name
    run(["git", "init", "-q"], project)
    run(["git", "add", "."], project)
    run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "new"], project)
    for left_over in ("data/01_raw/parcels.csv", "tests/pipelines"):
        path = project / left_over
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(WRITTEN / name, project, dirs_exist_ok=True)
    settings = (project / AUDIT).read_text(encoding="utf-8")
    for old, new in EDITS[name].items():
        if settings.count(old) != 1:
            raise ValueError(f"{AUDIT} has {old!r} {settings.count(old)} times")
        settings = settings.replace(old, new)
    (project / AUDIT).write_text(settings, encoding="utf-8")
    shutil.copyfile(csv, project / "data/01_raw" / RAW[name])
    run([*KEDRO, "accept-data"], project)
    return project


KEDRO = [sys.executable, "-m", "kedro"]


def run(command: list[str], folder: Path, answers: str = "") -> str:
    """Return what a command writes; raise if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        input=answers,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DO_NOT_TRACK": "1", "PWD": str(folder)},
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout + done.stderr


def added_lines(project: Path) -> int:
    """Return the number of lines that were written into a new project."""
    run(["git", "add", "."], project)
    counted = run(["git", "diff", "--cached", "--numstat", "--", "conf", "src"], project)
    return sum(int(line.split()[0]) for line in counted.splitlines())


def measure(name: str, csv: str) -> Iterator[object]:
    """Yield lines, minutes and the verdict of one data set."""
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(name, csv, Path(folder))
        yield added_lines(project)
        began = time.perf_counter()
        said = run([*KEDRO, "run"], project)
        yield f"{(time.perf_counter() - began) / 60:.1f}"
        verdict = re.search(r"(SHIP|HOLD): .*?95% CI [^)]*\)", said)
        yield verdict.group() if verdict else "none"


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__)
    for name in RAW:
        parser.add_argument(f"--{name}", help="the CSV file; without it these data are left out")
    options = parser.parse_args(argv)
    given = {name: csv for name in RAW if (csv := getattr(options, name))}
    table(
        "From a new project to a verdict",
        ["data", "lines written", "minutes", "verdict"],
        ([name, *measure(name, csv)] for name, csv in given.items()),
    )


if __name__ == "__main__":
    main()
