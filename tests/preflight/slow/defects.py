"""Plant defects in the engine, one at a time, and count how many of them the tests find.

    python tests/preflight/slow/defects.py [--only NUMBER ...] [--tests tests/preflight]

Each defect is a line of code and what stands in its place. It is planted in a copy of the project;
the tests run there until the first one fails. About a minute for each defect that is found, and the
whole suite for each that is not. A defect whose line is not there exactly once is an error: so the
list follows the code.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
COPIED = ["src", "tests", "conf", "data/01_raw", "docs", "hooks", "benchmarks", "notebooks"]

DEFECTS = [
    # windows and tables at a moment
    (
        'self._upto = np.searchsorted(log.stamp, self._question, side="right")',
        'side="right"',
        'side="left"',
    ),
    ("since[np.isnat(since)] = -log.events.tick", "-log", "0 * log"),
    ("before -= self._elapsed[self._order] % tick < part", "before -=", "before = before + 0 *"),
    ("found = self._upto > self._start(window)", ">", ">="),
    ("known = table[rows] <= moment", "<=", "<"),
    ("unknown = {at: ~(table[at] <= moment)", "<= moment", '<= moment + pd.Timedelta("1h")'),
    ("opens = at.searchsorted(starts - before)", " - before", ""),
    # split and audit
    ('end.isna() | (examples["label_known_at"] + embargo <= end)', " + embargo", ""),
    ('part = pd.Series(starts.searchsorted(examples["predict_at"], side="right")', "right", "left"),
    ('"known_at": as_of,', "as_of", "lambda t, c, m: t"),
    (
        '"row_order": lambda t, _, __: t.sample(frac=1, random_state=self.seed),',
        ".sample(frac=1, random_state=self.seed)",
        "",
    ),
    (
        "above = [told for told in ranked if told.measured > told.limit][:5]",
        "told.limit]",
        "2 * told.limit]",
    ),
    ('"labels in time": (late,', "late", "0"),
    ('failed = together[together["state"] == "failed"]', '"failed"]', '"fail"]'),
    # costs and intervals
    ("return self.under / (self.over + self.under)", "self.under /", "self.over /"),
    ("tail = (1 - confidence) / 2", " / 2", ""),
    (
        "drawn = rng.multinomial(days, np.full(days, 1 / days), size=replicates)",
        "(days, np",
        "(1, np",
    ),
    ("won = (below + not_above) / 2", "(below + not_above) / 2", "below"),
    (
        "return -np.log(np.where(label == 1, inside, 1 - inside))",
        "inside, 1 - inside",
        "1 - inside, inside",
    ),
    # verdict
    ("if framing.net(low) >= least and low > 0:", "framing.net(low)", "framing.net(mean)"),
    ('return Check("champion", low > 0, said', "low > 0, said", "mean > 0, said"),
    (
        "confidence = 1 - (1 - framing.confidence) / max(1, len(groups))",
        "1 - (1 - framing.confidence) / max(1, len(groups))",
        "framing.confidence",
    ),
    ("if low is None or framing.net(low) < 0]", " or framing.net(low) < 0", ""),
    ('"decision": "hold" if broken else "ship",', '"hold" if broken else ', ""),
    # modeling
    (
        "slope, intercept = line(predictions) if without - judged > least_gain else (1.0, 0.0)",
        " if without - judged > least_gain else (1.0, 0.0)",
        "",
    ),
    ("if slope <= 0:", "0", "-99"),
    (
        'known = (moment < start) & (development["label_known_at"] + embargo <= start)',
        ' & (development["label_known_at"] + embargo <= start)',
        "",
    ),
    (
        "threshold = float(costs.at(examples).threshold)",
        "float(costs.at(examples).threshold)",
        "0.5",
    ),
    ("return so_far < float(np.quantile(", "<", ">"),
    (
        "return all(over <= 0 for over in trial.constraints.values())",
        "all(over <= 0 for over in trial.constraints.values())",
        "True",
    ),
    ("if not np.array_equal(before, after):", "not np.array_equal(before, after)", "False"),
    ("gone[:, used].all(axis=1)", "all", "any"),
    ('order = np.argsort(-np.abs(value), axis=1, kind="stable")', "-np.abs(value)", "value"),
    # runs, deployment, inference, serving
    ("if found != entry.sha256:", "found != entry.sha256", "False"),
    (
        'if readers := [node.name for node in before if "test" in node.inputs]:',
        '"test" in',
        '"tests" in',
    ),
    ('JUDGING = ("framing", "audit",', '"audit",', ""),
    ("!= promoted.sha256:", "!= promoted.sha256", "== ''"),
    ('now = features["predict_at"].between(since, moment, inclusive="right")', "right", "both"),
    ("_add(folder, new)", "new", "rows"),
    ("if wanted and not hmac.compare_digest(key.encode(), wanted.encode()):", "not ", ""),
    ("if len(body) > MOST_BYTES:", "> MOST", "> 9 * MOST"),
    ('if bundle["provenance"]["version"] != now.version:', "!=", "is"),
]


def place(line: str, source: Path = PROJECT / "src") -> Path:
    """Return the one file that has the line."""
    found = [path for path in sorted(source.rglob("*.py")) if line in path.read_text()]
    if len(found) != 1 or found[0].read_text().count(line) != 1:
        sys.exit(f"{line!r} is in {[str(path) for path in found] or 'no file'}: once is expected.")
    return found[0]


def is_found(line: str, old: str, new: str, tests: list[str]) -> bool:
    """Return whether a test fails when a part of the line is replaced."""
    file = place(line).relative_to(PROJECT)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        ignored = shutil.ignore_patterns("__pycache__")
        for name in COPIED:
            shutil.copytree(PROJECT / name, project / name, ignore=ignored)
        for path in PROJECT.iterdir():
            if path.is_file():
                shutil.copy(path, project)
        text = (project / file).read_text()
        (project / file).write_text(text.replace(line, line.replace(old, new, 1)))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "2", "--dist", "loadgroup"]
        done = subprocess.run([*command, *tests], cwd=project, capture_output=True, check=False)
        return done.returncode != 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of defects, from 0")
    parser.add_argument("--tests", nargs="*", default=["tests/preflight"])
    parser.add_argument("--list", action="store_true", help="only look for the lines")
    asked = parser.parse_args()
    numbers = range(len(DEFECTS)) if asked.only is None else asked.only
    found = 0
    for number in numbers:
        file = place(DEFECTS[number][0]).relative_to(PROJECT)
        seen = asked.list or is_found(*DEFECTS[number], asked.tests)
        found += seen
        state = "found" if seen else "NOT FOUND"
        sys.stdout.write(f"{number:3} {state:9} {file}: {DEFECTS[number][0]}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{found} of {len(numbers)} defects are found\n")


if __name__ == "__main__":
    main()
