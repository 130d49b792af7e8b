"""The benchmark of the service asks what it says, and leaves what the promotion gate reads."""

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from preflight import contracts
from preflight.datasets import AllVersions
from preflight.modeling.model import predict
from preflight.modeling.skops_file import dump
from preflight.runs.manifest import RUN_MANIFEST, evaluated_run
from preflight.runs.raw_files import hash_file

ROOT = Path(__file__).parents[3]
VERSION = "2013-01-01T00.00.00.000Z"
TRUSTED = [
    "functools.partial",
    "sklearn.utils.validation.check_array",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
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
def service(tmp_path: Path, served: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark of a project with a candidate, and a hey that asks three times a client."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import service

    project = tmp_path / "project"
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("local"))
    (project / "conf/local").mkdir()
    (project / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (project / ".telemetry").write_text("consent: false")
    rows = served["features"].iloc[20_000:20_040]
    files = {}
    for name, path in (("candidate", "06_models/candidate.skops"), ("end_to_end", "07/e.parquet")):
        file = project / "data" / path / VERSION / Path(path).name
        file.parent.mkdir(parents=True)
        if name == "candidate":
            with file.open("wb") as opened:
                dump(served["bundle"], opened)
        else:
            rows.assign(probability=predict(served["bundle"], rows)).to_parquet(file)
        record = {"path": file.relative_to(project).as_posix(), "version": VERSION}
        files[name] = record | {"sha256": hash_file(file)}
    run = {
        "run": VERSION,
        "status": "done",
        "error": None,
        "pipelines": [],
        "filters": {},
        "code": {},
        "packages": {},
        "python": "",
        "inputs": {"candidate": files["candidate"]},
        "outputs": {
            "end_to_end": files["end_to_end"],
            **dict.fromkeys(("verdict", "metrics"), files["end_to_end"]),
        },
        "catalog": {"candidate": {"load_args": {"trusted": TRUSTED}}},
        "parameters": {"framing": served["framing"].model_dump(mode="json")},
    }
    left = project / RUN_MANIFEST / VERSION / "run_manifest.json"
    left.parent.mkdir(parents=True)
    left.write_text(json.dumps(run))
    (tmp_path / "bin").mkdir()
    hey = tmp_path / "bin/hey"
    hey.write_text(HEY.format(python=sys.executable))
    hey.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hey.parent}:/usr/bin:/bin")
    monkeypatch.setattr(service, "PROJECT", project)
    return service


def test_a_candidate_is_measured_for_the_promotion_gate(
    service: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    service.main(["--rounds", "1", "--seconds", "1", "--rows", "200"])
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines() if "| ours |" in line]
    assert [line[1].strip() for line in lines] == [
        "one row, 1 client",
        service.FRAMED,
        "as framed, ten at once",
        "one row, 16 clients",
        service.BATCH,
    ]
    assert {line[-2].strip() for line in lines} == {"0"}  # failed
    kept = AllVersions(str(service.PROJECT / service.MEASURED)).load()
    contracts.deployment.service_limits.validate(kept)
    judged = evaluated_run(service.PROJECT)
    assert kept[0]["sha256"] == judged["inputs"]["candidate"]["sha256"]
    assert 0 < kept[0]["p50_ms"] <= kept[0]["p99_ms"]


def test_requests_that_fail_are_counted(service: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "preflight.serving"]
    server = service.Server(command, "/health", "/predict")
    for name in ("src", "conf", "pyproject.toml", ".telemetry"):
        (tmp_path / name).symlink_to(service.PROJECT / name)
    (tmp_path / "body").write_text("{}")
    port = service.free_port()
    with service.running(server, tmp_path, port) as (pid, _):  # it has no champion
        address = f"http://127.0.0.1:{port}/predict"
        told = service.ask(address, tmp_path / "body", service.Load("one", 2, 3), 1, pid)
    assert told.failed == 18


def test_without_hey_it_says_how_to_get_it(
    service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="apt-get install hey"):
        service.main([])
