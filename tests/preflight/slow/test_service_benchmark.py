"""`make bench-service` leaves what the promotion gate reads; the benchmark makes all its loads."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preflight.datasets import AllVersions
from preflight.deployment.contracts import service_limits
from preflight.modeling.model import predict
from preflight.modeling.skops_file import dump
from preflight.runs.manifest import RUN_MANIFEST, evaluated_run
from preflight.runs.raw_files import hash_file
from preflight.serving import measure

ROOT = Path(__file__).parents[3]
VERSION = "2013-01-01T00.00.00.000Z"
HEY = """#!{python}
import sys, time, urllib.error, urllib.request
given = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2]))
body, began = open(given["-D"], "rb").read(), time.perf_counter()
print("response-time,status-code,offset")
for _ in range(3 * int(given["-c"])):
    start = time.perf_counter()
    try:
        status = urllib.request.urlopen(sys.argv[-1], body).status
    except urllib.error.HTTPError as error:
        status = error.code
    print(time.perf_counter() - start, status, start - began, sep=",")
"""


@pytest.fixture
def project(
    tmp_path: Path,
    served: dict[str, Any],
    manifest_of: Callable[..., dict[str, Any]],
    record_of: Callable[..., dict[str, Any]],
    trusted_types: list[str],
    copy_project: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A project with a candidate, and a hey that sends three requests a client."""
    project = copy_project(tmp_path / "project")
    rows = served["features"].iloc[20_000:20_040]
    files = {}
    for name, path in (
        ("candidate", "06_models/candidate.skops"),
        ("reference_predictions", "07/e.parquet"),
    ):
        file = project / "data" / path / VERSION / Path(path).name
        file.parent.mkdir(parents=True)
        if name == "candidate":
            with file.open("wb") as opened:
                dump(served["bundle"], opened)
        else:
            rows.assign(probability=predict(served["bundle"], rows)).to_parquet(file)
        inside = file.relative_to(project).as_posix()
        files[name] = record_of(inside, hash_file(file), VERSION)
    others = dict.fromkeys(
        ("verdict", "metrics", "reference_predictions"), files["reference_predictions"]
    )
    run = manifest_of(
        VERSION,
        inputs={"candidate": files["candidate"]},
        outputs=others,
        catalog={"candidate": {"load_args": {"trusted": trusted_types}}},
        parameters={"framing": served["framing"].model_dump(mode="json")},
    )
    left = project / RUN_MANIFEST / VERSION / "run_manifest.json"
    left.parent.mkdir(parents=True)
    left.write_text(json.dumps(run))
    (tmp_path / "bin").mkdir()
    hey = tmp_path / "bin/hey"
    hey.write_text(HEY.format(python=sys.executable))
    hey.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hey.parent}:/usr/bin:/bin")
    monkeypatch.chdir(project)
    return project


def test_a_candidate_is_measured_for_the_promotion_gate(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure.main(["--rounds", "1", "--seconds", "1", "--rows", "200"])
    (found,) = AllVersions(str(project / measure.MEASURED)).load()
    assert json.loads(capsys.readouterr().out) == found
    service_limits.validate([found])
    judged = evaluated_run(project)
    assert found["sha256"] == judged["inputs"]["candidate"]["sha256"]
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["failed"] == 0


def test_the_benchmark_makes_all_loads(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import service

    monkeypatch.setattr(service, "PROJECT", project)
    service.main(["--rounds", "1", "--seconds", "1", "--rows", "200"])
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines() if "| ours |" in line]
    assert len(lines) == 5
    assert {line[-2].strip() for line in lines} == {"0"}  # failed


def test_one_row_is_compared_with_an_earlier_commit(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import single_rows

    monkeypatch.setattr(single_rows, "PROJECT", project)
    single_rows.main(["--rounds", "1", "--seconds", "1", "--before", str(project)])
    lines = [[c.strip() for c in o.split("|")] for o in capsys.readouterr().out.splitlines()]
    loads = [line for line in lines if len(line) == 9 and "clients" in line[1]]
    assert [line[2] for line in loads] == ["now", "before"] * len(single_rows.CLIENTS)
    assert {float(line[6]) for line in loads} == {0}  # failed
    assert sum("answer" in line[1] for line in lines if len(line) == 7) == 2


def test_requests_that_fail_are_counted(project: Path, tmp_path: Path) -> None:
    for name in ("src", "conf", "pyproject.toml", ".telemetry"):
        (tmp_path / name).symlink_to(project / name)
    (tmp_path / "body").write_text("{}")
    server = measure.SERVICE._replace(ready="/health")
    with measure.running(server, tmp_path) as service:  # it has no champion
        found = measure.send(service.url, tmp_path / "body", measure.Load(2, 3), 1)
    assert found.failed == 18


def test_without_hey_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="apt-get install hey"):
        measure.main([])
