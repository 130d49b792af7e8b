"""Plant defects in the engine, one at a time, and count how many of them the tests find.

    python tests/preflight/slow/defects.py [--only NUMBER ...] [--tests mirrored|rest ...]

Each defect is a line of code and what stands in its place. It is planted in a copy of the project.
First the tests that mirror the folder of the defect run there, until the first one fails; if none
does, all other tests of the engine. That takes seconds for most defects that are found, and the
whole suite for each that is not. A defect whose line is not there exactly once is an error: so the
list follows the code.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
TESTS = Path("tests/preflight")
# what is made, and what only makers need
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".viz", "__pycache__", ".*_cache", ".hypothesis", "site", "0[2-8]_*"
)
SECONDS = 3600  # of tests, after which a defect hangs and is found so

DEFECTS = [
    # tables in partitions, and clusters
    ("start, end = min(s for s, _ in spans) - ahead - back, max(", " - back", ""),
    ("if before and first <= before[1]:", "<=", "<"),
    ("twice = rows[rows.duplicated(key, keep=False)].sort_values(key)", "(key,", "(key[:1],"),
    (
        "schema.checks = [check for check in schema.checks if check.title != WHOLE_TABLE]",
        "!=",
        "==",
    ),
    ("passed = check(table.read(columns=columns)).check_passed", ".check_passed", " is not None"),
    ("        remove(folder)\n        raise", "remove(folder)", "pass"),
    ("parts.append(part[drawn.to_numpy() < share] if share < 1 else part)", "< share]", "< 1]"),
    ("return names[-max(1, int((rows <= self.rows).sum())) :]", "max(1, ", "max(0, "),
    ("if (start is None or last >= start) and", "last >= start", "first >= start"),
    ('return summed.where(summed["table"].isin(partitioned), first)', "isin(", "eq("),
    ("found[name].attrs[SHARE] = share", " = share", " = 1.0"),
    ("pipelines.update(self._plain)", "pipelines.update(self._plain)", "pass"),
    ("client.cancel(futures)\n                raise", "client.cancel(futures)", "pass"),
    ("return client.gather(futures)", "(futures)", "(futures[::-1])"),
    ("return verify(folder, sorted(listed | {path.name", "listed | ", "set() | "),
    # windows and tables at a moment
    (
        'self._upto = np.searchsorted(log.stamp, self._question, side="right")',
        'side="right"',
        'side="left"',
    ),
    ("since[np.isnat(since)] = -log.events.tick", "-log", "0 * log"),
    ("before -= self._elapsed[self._order] % tick < part", "before -=", "before = before + 0 *"),
    ("latest[self._last] = np.fmax.reduceat(latest, first)", "np.fmax", "np.fmin"),
    ("found = np.flatnonzero(at >= start)", ">=", ">"),
    ("at = place[upto]", "place[upto]", "upto - 1"),
    ("return numbers + 0.0", " + 0.0", ""),
    ("if np.isinf(numbers).any():", "np.isinf(numbers).any()", "False"),
    ('if kind not in "biuf":', '"biuf"', '"biufO"'),
    ('if checked.dtype.kind not in "iu":', "if ", "if False and "),
    ("rest = rest - np.ldexp(limb, exponent)", "np.ldexp(limb, exponent)", "rest"),
    (
        "if exponent.max(where=some, initial=self._unit) + 53 - self._unit > _WIDEST:",
        "> _W",
        "< -_W",
    ),
    ("variance = (n * squares - total * total) / (n * (n - 1))", "n * (n - 1)", "n * n"),
    ("found[rows] = choose(values[start[rows]], values[upto[rows] - length])", "- length", "- 1"),
    ("before[codes < 0] = len(codes) + 1", "len(codes) + 1", "0"),
    ("bound = start + 1", " + 1", ""),
    ("known = table[rows] <= moment", "<=", "<"),
    ("return table[known_at] <= moment", "<= moment", '<= moment + pd.Timedelta("1h")'),
    ("if known_at == AFTERWARDS:", "AFTERWARDS", '"never"'),
    ("opens = at.searchsorted(starts - before)", " - before", ""),
    # split and audit
    ('end.isna() | (examples["label_known_at"] + embargo <= end)', " + embargo", ""),
    ('part = pd.Series(starts.searchsorted(examples["predict_at"], side="right")', "right", "left"),
    ("end = self.day(pd.Series([last])).iloc[0] + pd.Timedelta(days=1)", "days=1", "days=0"),
    ("if was != now:", "was != now", "False"),
    ('by = framing.split.groups or contracts["features"].grain()', "framing.split.groups or ", ""),
    ("if first < begins[name] or last + embargo > ends[name]:", " + embargo", ""),
    ("if last >= first:", ">=", ">"),
    ('"known_at": as_of,', "as_of", "lambda t, c, m: t"),
    (
        '"row_order": lambda t, _, __: t.sample(frac=1, random_state=self.seed),',
        ".sample(frac=1, random_state=self.seed)",
        "",
    ),
    (
        "above = [one for one in ranked if over[one] > 0][:MAX_REPORTED]",
        "> 0",
        "> 1",
    ),
    ('"labels in time": (late,', "late", "0"),
    # dated tables
    ("if (empty := by_month.index[by_month == 0]).size", "== 0", "< 0"),
    ("gone := days[expected & in_months & (rows == 0).to_numpy()]", "expected & ", ""),
    ("is_open = is_later & (np.cumsum(", "is_later", "False"),
    ("dead &= expected * rows >= least", "expected * ", ""),
    (
        "new = np.setdiff1d(codes[is_test], [-1, *np.unique(codes[~is_test])])",
        "~is_test",
        "is_test",
    ),
    ("doubted & allowed.keys()", "doubted & allowed.keys()", "doubted"),
    ("changes = (days - _mean(days, axis=1)[:, None])", " - _mean(days, axis=1)[:, None]", ""),
    ("if abs(hours) > honest and unanimous and gains:", "abs(hours) > honest", "hours != 0"),
    ("if common < agree or", "common < agree", "common < 0"),
    ("if rest <= EXPLAINED * yardstick:\n            yield", "<= EXPLAINED", "> EXPLAINED"),
    ("far = distance > ratio * yardstick", "ratio * yardstick", "0"),
    ("jumps[edges].min() > needed * yardstick:", "needed * yardstick", "0"),
    ("(np.abs(wrong - median) - width > CLEAR * spread)", "> CLEAR", "> -CLEAR"),
    ('failed = together[together["state"] == "failed"]', '"failed"]', '"fail"]'),
    (
        '"at a change of the clock": _clock_changes(due, split.timezone),',
        "_clock_changes(due, split.timezone)",
        "iter(())",
    ),
    ("for one in sums.sort_values(ascending=False, kind", "ascending=False", "ascending=True"),
    ("for _, name, code in sorted(rarest):", "sorted(rarest)", "sorted(rarest, reverse=True)"),
    ("if event in EVENTS and (watched := _watched.get()) is not None:", "in EVENTS", "== 'open'"),
    ("differ = {name: one for name, one in past.compare(features", "features", "past.features"),
    ("expected = read - excluded + added", " - excluded", ""),
    ("other = ~np.isin(rows, as_declared)", "~np.isin(rows, as_declared)", "rows != rows"),
    ('found = np.isin(hashes, test_keys["key_hash"])', "hashes, test", "~hashes, test"),
    (
        'alike = {name: part for name, part in parts.items() if part["label"].nunique() < 2}',
        "2",
        "1",
    ),
    # formats of raw files
    ("return parsed.mask(naive)", ".mask(naive)", ""),
    ('ambiguous="NaT", nonexistent="NaT")', 'nonexistent="NaT"', 'nonexistent="shift_forward"'),
    ('return bare.str.replace(decimal, ".", regex=False).where(', "where(", "where(True | "),
    ('{"parse_dates": [n for n in dates if n not in text]}', "if n not in text", ""),
    ('left -= {n for n, kind in kinds.items() if kind == "moments"', '"moments"', '"numbers"'),
    ('if dtype.kind in "iuf" and metadata.keys() & NUMBERS:', '"iuf"', '"f"'),
    ("and written.str.fullmatch(GROUPS).all():", "all", "any"),
    ('if values.dtype.kind == "f" and (values.abs() >= ROUNDED).any():', ">=", "<"),
    # backtest
    ("known = examples[known_at + embargo <= cutoff]", " + embargo", ""),
    ("period = examples[(moment >= cutoff) & (moment < until)]", "(moment >= cutoff) & ", ""),
    # costs and intervals
    ("return self.underage / (self.overage + self.underage)", "self.underage /", "self.overage /"),
    ("tail = (1 - confidence) / 2", " / 2", ""),
    (
        "drawn = rng.multinomial(starts, np.full(units, 1 / units), size=replicates)",
        "(starts, np",
        "(1, np",
    ),
    (
        'return {"mean": mean, "low": min(low, mean - half), "high": max(high, mean + half)}',
        "mean - half",
        "low",
    ),
    ("block = max(block, A_WEEK[self.resampling.unit])", "A_WEEK[self.resampling.unit]", "1"),
    (
        "if shippable is None or achievable is None or shippable <= achievable:",
        "<= achievable",
        "> achievable",
    ),
    ("won = (below + not_above) / 2", "(below + not_above) / 2", "below"),
    (
        "return -np.log(np.where(label == 1, inside, 1 - inside))",
        "inside, 1 - inside",
        "1 - inside, inside",
    ),
    # verdict
    (
        "passed = not lacking and low >= required and low > 0",
        "low >= required and low > 0",
        "gain.mean >= required",
    ),
    (
        "return min(self.framing.baselines, key=lambda name: self.deciding_gain(name).low)",
        "min",
        "max",
    ),
    ("better = test.deciding_gain(CHAMPION).low > 0", ".low", ".mean"),
    (
        "gains = [(name, test.gain_over(baseline, rows, confidence)) for name, rows in checked]",
        ", confidence",
        "",
    ),
    ("gap = test.service_gap(here, confidence)", "confidence", "framing.confidence"),
    (
        "framing.net(test.deciding_gain(name, factor).low) >= 0 for name in framing.baselines",
        ".low",
        ".high",
    ),
    ('"decision": "hold" if failed else "ship",', '"hold" if failed else ', ""),
    # the count of test evaluations
    ("new = [] if what_if or this in before else [entry]", "what_if or ", ""),
    ("new = [] if what_if or this in before else [entry]", " or this in before", ""),
    ("[*before, this].index(this) + 1", "[*before, this].index(this)", "len(before)"),
    ("decisions = np.sort(_hash_rows(exact))", "np.sort(_hash_rows(exact))", "_hash_rows(exact)"),
    (
        "_hash_rows(exact[ordered])",
        "exact[ordered]",
        'exact[ordered].assign(at=test_predictions["predict_at"])',
    ),
    ('days = framing.split.day(test_predictions["predict_at"] + lead)', " + lead", ""),
    ("return at_once and not samples[0].isdisjoint(samples[1])", "at_once and ", ""),
    ("(np.pi * (number - 1)) ** 2", "(number - 1)", "number"),
    (
        'if "test_predictions" in made and "test_evaluations" not in made:',
        '"test_evaluations"',
        '""',
    ),
    ('return [one for one in evaluations if one["run"] <= run]', ' if one["run"] <= run', ""),
    # modeling
    (
        'if unchanged["loss_without"] - unchanged["loss_with"] > least_gain:',
        'unchanged["loss_without"] - unchanged["loss_with"] > least_gain',
        "True",
    ),
    ("if slope > 0:  # a model", "0", "-99"),
    (
        'known = (moment < fold.start) & (development["label_known_at"] + embargo <= fold.start)',
        ' & (development["label_known_at"] + embargo <= fold.start)',
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
    ("if np.array_equal(before, after):", "np.array_equal(before, after)", "True"),
    ("missing[:, used].all(axis=1)", "all", "any"),
    ('order = np.argsort(-np.abs(values), axis=1, kind="stable")', "-np.abs(values)", "values"),
    (
        "number, distinct = pd.factorize(week if week.nunique() >= MIN_WEEKS else day, sort=True)",
        "week if week.nunique() >= MIN_WEEKS else day",
        "day",
    ),
    (
        "if unusable := len(predicted) - np.count_nonzero(np.isfinite(predicted)):",
        "len(predicted) - np.count_nonzero(np.isfinite(predicted))",
        "0",
    ),
    # diagnosis, calibration of counts
    (
        "fitted = [fit(spec.seeded(seed), few, features) for seed, few in samples.items()]",
        "spec.seeded(seed)",
        "spec",
    ),
    ("error = np.sqrt(variance * (weights**2 / sizes).sum())", " / sizes", ""),
    ("below, up_to = (1.0 * (label < predicted), 1.0 * (label <= predicted))", "<=", "<"),
    # runs, deployment, inference, serving
    ("if found == entry.sha256:", "found == entry.sha256", "True"),
    ("if getattr(entry, field) == UNFILLED", "== UNFILLED", '== ""'),
    ("for what, value in stated.items() if not value", "not value", "False"),
    (
        "filled.model_fields_set.difference_update(derived.keys() - given.keys())",
        "derived",
        "given",
    ),
    ("if name in allowed.one_feature or aucs[name] > above", " or aucs[name] > above", ""),
    ('{"test", *tests}.intersection(node.inputs)', '"test"', '"tests"'),
    ('DECIDING = ("framing", "audit",', '"audit",', ""),
    (
        'return None if hash_file(path) == sha256 else "has changed since"',
        "hash_file(path) == sha256",
        "True",
    ),
    ('now = features["predict_at"].between(since, moment, inclusive="right")', "right", "both"),
    ("_write_new(folder, new)", "new", "rows"),
    ("if required and not hmac.compare_digest(key.encode(), required.encode()):", "not ", ""),
    ("if len(body) > MAX_BYTES:", "> MAX", "> 9 * MAX"),
    ('if bundle["provenance"]["version"] != now.version:', "!=", "is"),
    # untouched decisions, the log and its deletion, limits of inputs and the block
    ("untouched = draw_uniform(rows, unit, SALT) < share", "<", ">"),
    ('"act": answers["act"] & ~untouched,', " & ~untouched", ""),
    ('(answered["predict_at"] + known).dt.as_unit', " + known", ""),
    ("_write_new(file.parent, _read_file(file)[~rows])", "~", ""),
    ("blocked=bool(faults) and accepted is None,", "bool(faults) and accepted is None", "False"),
    ("elif distinct < limit.distinct:", "distinct < limit.distinct", "False"),
    ("if len(new) > limits.unseen * len(rows):", ">", "> 2 *"),
    ("least = limits.rows[moment.day_of_week * 24 + moment.hour]", " + moment.hour", ""),
    ("distinct=min(settings.few_values, distinct[name] // 2) + 1 if varies", " // 2", ""),
    ("day > day[past].max() - pd.Timedelta(days=days)", "days=days", "days=9 * days"),
    ("return refusal(503, *self.block) if self.block else None", "if self.block", "if False"),
    ('if kept is None or pd.Timestamp(kept["moment"]) <= pd.Timestamp(data["moment"]):', "<=", ">"),
    # alarms and refits
    ("for start in range(0, weeks, EVERY):", "EVERY", "LIFE"),
    ("variance = weekly[:, :week].var(axis=1, ddof=1)", ":week]", ": week + 1]"),
    ("return np.where(found & ~self._later[place], self", " & ~self._later[place]", ""),
    ("for one in self._bundles if known_until(one) > moment]", ">", "!="),
    ('new.loc[is_open | not_due, "left_out"]', " | not_due", ""),
    ("worse = gain.high is None or gain.high < 0", "< 0", "< -1000"),
    ('rows = known[known["predict_at"] > since]', "> since", "> pd.Timestamp.min"),
    # experiments
    ("return 1 - self.alpha / len(self.looks)", " / len(self.looks)", ""),
    ('inside &= rows["predict_at"] < pd.Timestamp(self.stopped.at)', "&= ", "|= "),
    ("np.where(drawn < self.share, TREATMENT, CONTROL)", "self.share", "0.5"),
    ("if one.name == name and (one.stopped or", "one.stopped or", "one.stopped and"),
    (
        "complete = [day for day, at in due.items() if at <= settings.at]",
        "at <= settings.at",
        "True",
    ),
    ("if found < FEWEST_RATIO_P:", "FEWEST_RATIO_P", "0"),
    (
        'covariate = again is not None or bool((rows["model"] == design.champion).all())',
        "again is not None or bool(",
        "(",
    ),
    ("for one in slices if one.effect.high < -allowed]", ".high", ".low"),
    ("if self._failures[design.name] >= FAILURES:", ">= FAILURES", "< 0"),
    ('found.loc[some, ["act", "untouched"]] = [False, True]', "[False, True]", "[True, True]"),
    # the shadow
    ("self._drop(entry.rows)\n                return", "return", "pass"),
    ('ours &= answers.logged["model"] == self.versions[0]', "==", "!="),
    ('ours = ~answers.columns["untouched"]', "~answers", "answers"),
    (
        "return self._thread.is_alive() and self._process.is_alive()",
        " and self._process.is_alive()",
        "",
    ),
    ("found.same += int(np.count_nonzero(decided == asked.decided))", "==", "!="),
    (
        "for one in (asked.predicted, predicted)",
        "asked.predicted, predicted",
        "predicted, predicted",
    ),
    (
        "return probability * needed + (1 - probability) * in_vain",
        "(1 - probability)",
        "probability",
    ),
    ("new = [one for one in raised if _sunday(one) >= design.start]", ">=", "<"),
    (
        'if run is None or "verdict" not in run["outputs"]:',
        ' or "verdict" not in run["outputs"]',
        "",
    ),
    ("if others.any():\n            predicted[others]", "others.any()", "False"),
]


def place(line: str, project: Path = PROJECT) -> Path:
    """Return the one file of the engine that has the line, as a path in the project."""
    source = project / "src"
    found = [path for path in sorted(source.rglob("*.py")) if line in path.read_text()]
    if len(found) != 1 or found[0].read_text().count(line) != 1:
        sys.exit(f"{line!r} is in {[str(path) for path in found] or 'no file'}: once is expected.")
    return found[0].relative_to(project)


def mirrored(file: Path, project: Path = PROJECT) -> list[Path]:
    """Return the tests of a file, and then those of its folder.

    src/preflight/audit/replay.py -> tests/preflight/audit/test_replay.py, tests/preflight/audit
    """
    inside = TESTS / file.relative_to("src/preflight")
    found = [inside.with_name(f"test_{inside.name}"), inside.parent]
    return [tests for tests in found if tests != TESTS and (project / tests).exists()]


def others(tests: list[Path], project: Path = PROJECT) -> list[Path]:
    """Return all other tests of the engine."""
    files = [*(project / TESTS).glob("*/test_*.py"), *(project / TESTS).glob("test_*.py")]
    found = sorted(path.relative_to(project) for path in files)
    return [path for path in found if path not in tests and path.parent not in tests]


def copied(folder: str, project: Path = PROJECT) -> Path:
    """Return a copy of the project in a folder, without data but the raw."""
    copy = Path(shutil.copytree(project, Path(folder, "project"), ignore=LEFT_OUT))
    for kept in sorted((project / "data").glob("*/.gitkeep")):
        (copy / kept.relative_to(project)).parent.mkdir(exist_ok=True)
        (copy / kept.relative_to(project)).touch()
    return copy


def first_failure(project: Path, tests: list[Path], workers: int) -> str | None:
    """Return the test that fails first; None if none does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", str(workers)]
    command += ["--dist", "loadfile"]
    try:
        done = subprocess.run(
            [*command, *map(str, tests)],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "none ended in time"
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.MULTILINE)
    return (failed or [done.stdout[-500:]])[0] if done.returncode else None


def find(number: int | None, steps: list[str]) -> str | None:
    """Return the test that finds a defect; without a defect all have to pass."""
    with tempfile.TemporaryDirectory() as folder:
        project = copied(folder)
        nearest: list[Path] = []
        if number is not None:
            line, old, new = DEFECTS[number]
            file = project / place(line)
            file.write_text(file.read_text().replace(line, line.replace(old, new, 1)))
            nearest = mirrored(place(line))
        # without workers, whose imports take longer than most of these tests
        if "mirrored" in steps and nearest and (failed := first_failure(project, nearest, 0)):
            return failed
        return first_failure(project, others(nearest), 2) if "rest" in steps else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of defects, from 0")
    steps = ["mirrored", "rest"]
    parser.add_argument("--tests", nargs="*", choices=steps, default=steps, help="both by default")
    parser.add_argument("--list", action="store_true", help="only look for the lines")
    parser.add_argument("--control", action="store_true", help="no defect: all tests pass")
    asked = parser.parse_args()
    if asked.control:
        sys.exit(find(None, ["rest"]))
    missed = []
    for number in range(len(DEFECTS)) if asked.only is None else asked.only:
        file = place(DEFECTS[number][0])
        failed = "" if asked.list else find(number, asked.tests)
        if failed is None:
            missed.append(number)
        sys.stdout.write(f"{number:3} {file}: {failed if failed is not None else 'NOT FOUND'}\n")
        sys.stdout.flush()
    sys.stdout.write(f"not found: {missed or 'none'}\n")


if __name__ == "__main__":
    main()
