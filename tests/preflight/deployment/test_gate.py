"""The promotion gate: each condition fails on its own planted defect, and the clean twin passes."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from preflight.deployment import champion
from preflight.deployment.contracts import Deployment, service_limits
from preflight.deployment.gate import (
    check_unchanged,
    clear_candidate,
    load_and_predict,
    predict_in_fresh_process,
    promote_candidate,
)
from preflight.errors import RunError
from preflight.evaluation.predictions import select_reference_rows
from preflight.modeling import fast_trees
from preflight.modeling.skops_file import dump
from preflight.problem.framing import Framing
from preflight.runs.manifest import RUN_MANIFEST, describe_code
from preflight.runs.raw_files import UNFILLED

Made = dict[str, Any]
VERSION = "2013-01-01T00.00.00.000Z"
OTHER = {"path": "gone", "version": "v", "bytes": 1, "sha256": "2" * 64}
NO_OVERRIDE = Deployment.model_validate({"override": {"by": None, "reason": None}})
OVERRIDE = Deployment.model_validate({"override": {"by": "Ada", "reason": "the airport moves"}})


@pytest.fixture(scope="module")
def reference_predictions(made: Made, contracts: Any) -> pd.DataFrame:
    return select_reference_rows(
        made["test"],
        made["test_predictions"],
        made["framing"],
        made["evaluation"],
        contracts=contracts,
    )


@pytest.fixture
def judged(
    made: Made,
    reference_predictions: pd.DataFrame,
    manifest_of: Callable[..., Made],
    record_of: Callable[..., Made],
    trusted_types: list[str],
    tmp_path: Path,
) -> Made:
    """The manifest of a run that judged, with its files on disk."""
    (tmp_path / "pyproject.toml").write_text("1")
    outputs = {}
    for name, kind, folder in (
        ("candidate", "skops", "06_models"),
        ("reference_predictions", "parquet", "07_model_output"),
    ):
        path = f"data/{folder}/{name}.{kind}/{VERSION}/{name}.{kind}"
        (tmp_path / path).parent.mkdir(parents=True)
        if name == "candidate":
            with (tmp_path / path).open("wb") as file:
                dump(made[name], file)
        else:
            reference_predictions.to_parquet(tmp_path / path)
        digest = sha256((tmp_path / path).read_bytes()).hexdigest()
        outputs[name] = record_of(path, digest, VERSION)
    run = manifest_of(
        VERSION,
        contracts=True,
        code=describe_code(tmp_path),
        catalog={"candidate": {"load_args": {"trusted": trusted_types}}},
        inputs={},
        outputs=outputs,
    )
    keep(tmp_path, run)
    return run


def keep(project: Path, run: Made) -> None:
    path = project / RUN_MANIFEST / run["run"] / "run_manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run))


def refused(project: Path, run: Made, *what_if: str) -> dict[str, str]:
    keep(project, run)
    checks = check_unchanged(project, run, list(what_if))
    return {c["name"]: c["message"] for c in checks if not c["ok"]}


def test_stored_rows_are_of_test_with_the_probabilities_of_evaluation(
    made: Made, reference_predictions: pd.DataFrame
) -> None:
    assert len(reference_predictions) == 20
    both = reference_predictions.merge(
        made["test_predictions"], on="parcel", suffixes=("", "_there")
    )
    assert (both["probability"] == both["probability_there"]).all()
    said = made["test_predictions"]["probability"]
    assert reference_predictions["probability"].iloc[0] == said.min()
    assert reference_predictions["probability"].iloc[-1] == said.max()
    assert "label" not in reference_predictions


def test_what_is_as_it_was_judged_passes(tmp_path: Path, judged: Made) -> None:
    assert refused(tmp_path, judged) == {}


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        ({"status": "failed", "error": "no report"}, "run", "failed: no report"),
        ({"contracts": False}, "contracts", "were off in"),
        (
            {"code": {"commit": None, "changed": None, "sha256": "1" * 64}},
            "code",
            "changed since",
        ),
        ({"inputs": {"champion": OTHER}}, "champion", "there is no champion now"),
        (
            {"inputs": {"train": OTHER}},
            "run",
            "run v, which it was made from, has left no manifest; gone is gone",
        ),
    ],
)
def test_what_is_not_as_it_was_judged_is_told(
    tmp_path: Path, judged: Made, change: Made, name: str, says: str
) -> None:
    found = refused(tmp_path, {**judged, **change})
    assert set(found) == {name}
    assert says in found[name]


def test_a_what_if_is_told_with_what_to_do_and_no_override_helps(
    tmp_path: Path, judged: Made, clear: Callable[..., Made]
) -> None:
    found = refused(tmp_path, judged, "framing.costs.fn is 10, in conf/base 5", "b")
    assert set(found) == {"what-if"}
    assert found["what-if"].startswith("framing.costs.fn is 10, in conf/base 5; b. ")
    assert "--load-versions=verdict:<version>" in found["what-if"]
    checks = check_unchanged(tmp_path, judged, ["a"])
    for verdict in ({"decision": "ship", "reasons": ["better"], "checks": []}, HOLD):
        with pytest.raises(RunError, match=r"\n  - what-if: a\. "):
            clear(as_judged=checks, verdict=verdict, deployment=OVERRIDE)
    assert clear(as_judged=check_unchanged(tmp_path, judged, []), deployment=OVERRIDE)


def test_a_candidate_of_other_bytes_is_told(tmp_path: Path, judged: Made) -> None:
    path = judged["outputs"]["candidate"]["path"]
    (tmp_path / path).write_bytes(b"other")
    assert refused(tmp_path, judged) == {"run": f"{path} has changed since"}


def test_a_fresh_process_gives_the_stored_probabilities(
    tmp_path: Path, judged: Made, made: Made
) -> None:
    check = predict_in_fresh_process(tmp_path, judged, made["candidate"])
    assert check["ok"]
    assert "20 stored predictions" in check["message"]


def test_a_probability_that_differs_in_its_last_bit_is_told(
    tmp_path: Path, judged: Made, made: Made, reference_predictions: pd.DataFrame
) -> None:
    stored = reference_predictions.copy()
    stored.loc[3, "probability"] += 2**-53
    stored.to_parquet(tmp_path / judged["outputs"]["reference_predictions"]["path"])
    check = predict_in_fresh_process(tmp_path, judged, made["candidate"])
    assert (check["name"], check["ok"]) == ("end to end", False)
    assert "1 of 20" in check["message"]


def test_rows_that_are_predicted_otherwise_a_few_at_a_time_are_told(
    tmp_path: Path, judged: Made, trusted_types: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong encoding of categories that the first rows do not show."""
    model, rows = (
        tmp_path / judged["outputs"][name]["path"]
        for name in ("candidate", "reference_predictions")
    )
    assert load_and_predict(model, rows, trusted_types) == (20, 0)
    right, calls = fast_trees._encode, []

    def encode(trees: Any, asked: pd.DataFrame) -> Any:
        calls.append(len(asked))
        encoded = right(trees, asked)
        return encoded if len(calls) == 1 else encoded[:, [1, 0, *range(2, encoded.shape[1])]]

    monkeypatch.setattr(fast_trees, "_encode", encode)
    monkeypatch.setattr("preflight.deployment.gate.FEW_ROWS", 4)
    assert load_and_predict(model, rows, trusted_types)[1] > 0
    assert calls[0] == 4


def test_a_file_with_a_type_that_is_not_trusted_is_not_loaded(
    tmp_path: Path, judged: Made, made: Made
) -> None:
    judged["catalog"]["candidate"]["load_args"]["trusted"] = []
    check = predict_in_fresh_process(tmp_path, judged, made["candidate"])
    assert not check["ok"]
    assert "Untrusted" in check["message"]


SMALL = {"name": "model_mb", "limit": 20.0, "measured": 12.0, "ok": True, "load": None}
QUICK = {"name": "p99_ms", "limit": 20.0, "measured": 12.0, "ok": True, "load": 1.0}
SLOW = QUICK | {"measured": 62.3, "ok": False}
BUSY = QUICK | {"measured": None, "ok": None, "load": 2.5}


@pytest.fixture
def clear(framing: Framing, judged: Made) -> Callable[..., Made]:
    """The gate on what is right, but for what is changed."""
    fine = {"name": "fine", "ok": True, "message": "it is"}
    given: Made = {
        "as_judged": [fine],
        "fresh_answers": fine,
        "limits_now": [SMALL, QUICK],
        "verdict": {"decision": "ship", "reasons": ["better"], "checks": []},
        "metrics": {"candidate": {"roc_auc": {"mean": 0.8}, "value_per_1000": {"mean": 300}}},
        "judged_run": judged,
        "service_limits": [],
        "framing": framing,
        "deployment": NO_OVERRIDE,
    }
    return lambda **changes: clear_candidate(**{**given, **changes})


HOLD = {"decision": "hold", "reasons": ["not enough"], "checks": []}


def test_a_model_that_ships_is_cleared_with_all_that_was_seen(clear: Callable[..., Made]) -> None:
    cleared = clear(deployment=OVERRIDE)  # there is nothing to override
    assert cleared["override"] is None
    assert all(check["ok"] for check in cleared["checks"])
    names = ["fine", "contracts of the verdict", "verdict", "framing", "metrics", "fine"]
    assert [check["name"] for check in cleared["checks"]] == [*names, "limits", "speed"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verdict": HOLD}, "verdict: hold: not enough"),
        (
            {"metrics": {"candidate": {"roc_auc": {"mean": 0.97}, "value_per_1000": {"mean": 9}}}},
            "metrics: roc_auc is 0.97; plausible is 0.6 to 0.95",
        ),
        (
            {"metrics": {"candidate": {"roc_auc": {"mean": None}, "value_per_1000": {"mean": 9}}}},
            "metrics: roc_auc is not known",
        ),
        ({"as_judged": [{"name": "code", "ok": False, "message": "changed"}]}, "code: changed"),
        (
            {"fresh_answers": {"name": "end to end", "ok": False, "message": "1 differs"}},
            "end to end: 1 differs",
        ),
    ],
)
def test_what_does_not_hold_is_refused_with_its_reason(
    clear: Callable[..., Made], changes: Made, says: str
) -> None:
    with pytest.raises(RunError, match=f"of run {VERSION} is not promoted:\n  - ") as error:
        clear(**changes)
    assert f"  - {says}" in str(error.value)
    assert str(error.value).count("\n") == 1


def test_a_framing_that_leaves_open_what_a_model_in_use_needs_is_refused(
    clear: Callable[..., Made], framing: Framing
) -> None:
    nobody = framing.model_copy(
        update={"goal": framing.goal.model_copy(update={"owner": None}), "serving": None}
    )
    for deployment in (NO_OVERRIDE, OVERRIDE):
        with pytest.raises(RunError) as error:
            clear(framing=nobody, deployment=deployment)
        assert str(error.value).splitlines()[1:] == [
            "  - framing: it does not state framing.goal.owner: who answers for the result; "
            "it does not state framing.serving: limits of speed and size"
        ]


def test_raw_files_without_a_source_or_a_licence_are_refused(
    tmp_path: Path, judged: Made, record_of: Callable[..., Made]
) -> None:
    raw = tmp_path / "data/01_raw"
    raw.mkdir(parents=True)
    (raw / "parcels.csv").write_text("parcel\n1\n")
    digest = sha256((raw / "parcels.csv").read_bytes()).hexdigest()
    inputs = {"raw_parcels": record_of("data/01_raw/parcels.csv", digest, None)}
    entry = {"sha256": digest, "rows": 1, "source": "the warehouse", "licence": UNFILLED}
    (raw / "manifest.json").write_text(json.dumps({"parcels.csv": entry}))
    found = refused(tmp_path, {**judged, "inputs": inputs})
    assert found == {
        "raw files": f"licence of parcels.csv in {raw / 'manifest.json'} is still {UNFILLED!r}"
    }
    (raw / "manifest.json").write_text(json.dumps({"parcels.csv": entry | {"licence": "CC0"}}))
    assert refused(tmp_path, {**judged, "inputs": inputs}) == {}


def test_a_model_that_is_too_large_is_refused_and_no_override_helps(
    clear: Callable[..., Made],
) -> None:
    large = SMALL | {"measured": 62.3, "ok": False}
    for deployment in (NO_OVERRIDE, OVERRIDE):
        with pytest.raises(RunError, match=r"limits: model mb 62\.3 \(limit 20\)"):
            clear(limits_now=[large, QUICK], deployment=deployment)


@pytest.mark.parametrize(
    ("speed", "message"),
    [
        (SLOW, "speed: p99 ms 62.3 (limit 20)"),
        (BUSY, "speed: p99 ms not measured: the machine was busy (load 2.5, quiet is 1)"),
    ],
)
def test_speed_has_to_be_measured_and_to_hold_or_somebody_answers_for_it(
    clear: Callable[..., Made], speed: Made, message: str
) -> None:
    with pytest.raises(RunError) as error:
        clear(limits_now=[SMALL, speed])
    assert f"  - {message}" in str(error.value)
    assert "when nothing else runs: kedro run --pipelines deployment" in str(error.value)
    assert "deployment.override.by=NAME" in str(error.value)
    cleared = clear(limits_now=[SMALL, speed], deployment=OVERRIDE)
    assert cleared["override"] == {"by": "Ada", "reason": "the airport moves"}
    says = [check["message"] for check in cleared["checks"] if check["name"] == "speed"]
    assert says == [f"overridden: {message.removeprefix('speed: ')}"]


def over_http(judged: Made, **changes: Any) -> Made:
    """What the benchmark of the service leaves of a candidate."""
    measured = {
        "sha256": judged["outputs"]["candidate"]["sha256"],
        "at": "2013-01-01T12:00:00+00:00",
        "requests_per_second": 4.9,
        "p50_ms": 5.0,
        "p99_ms": 9.0,
        "rows_per_second": 60_000.0,
        "failed": 0,
        "ready_seconds": 6.0,
        "memory_mb": 300.0,
        "load": 1.0,
    } | changes
    service_limits.validate([measured])
    return measured


def test_what_was_measured_over_http_counts_if_it_is_of_this_candidate(
    clear: Callable[..., Made], judged: Made
) -> None:
    slow = over_http(judged, p99_ms=41.0)
    quick = over_http(judged)
    other = over_http(judged, p99_ms=41.0, sha256="2" * 64)
    for measured, says in (
        ([], "not over HTTP: make bench-service"),
        ([other], "not over HTTP: make bench-service"),
        ([slow, quick, other], "over HTTP on 2013-01-01T12:00:00+00:00"),
    ):
        cleared = clear(service_limits=measured)
        (check,) = [check for check in cleared["checks"] if check["name"] == "speed"]
        assert check["message"].endswith(says)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"p99_ms": 41.0}, "speed: p99 ms over HTTP 41 (limit 40)"),
        ({"rows_per_second": 9.0}, "speed: rows per second over HTTP 9 (limit 10)"),
        ({"requests_per_second": 3.0}, "speed: requests per second over HTTP 3 (limit 4.5)"),
        ({"failed": 1}, "limits: requests failed over HTTP 1 (limit 0)"),
        ({"load": 1.9}, "rows per second over HTTP not measured: the machine was busy"),
    ],
)
def test_a_service_that_is_too_slow_is_refused(
    clear: Callable[..., Made], judged: Made, changes: Made, says: str
) -> None:
    with pytest.raises(RunError, match=re.escape(says)):
        clear(service_limits=[over_http(judged, **changes)])


def test_an_override_goes_for_verdict_and_speed_alone_and_is_kept(
    clear: Callable[..., Made],
) -> None:
    said = {"by": "Ada", "reason": "the airport moves"}
    assert clear(verdict=HOLD, deployment=OVERRIDE)["override"] == said
    unchecked = {**HOLD, "checks": [{"name": "contracts", "ok": False, "message": "they were off"}]}
    with pytest.raises(RunError, match="contracts of the verdict: they were off"):
        clear(verdict=unchecked, deployment=OVERRIDE)
    with pytest.raises(RunError, match="roc_auc"):
        metrics = {"candidate": {"roc_auc": {"mean": 0.5}, "value_per_1000": {"mean": 9}}}
        clear(verdict=HOLD, deployment=OVERRIDE, metrics=metrics)


@pytest.mark.parametrize("given", [{"by": "Ada", "reason": None}, {"by": None, "reason": "x"}])
def test_an_override_needs_a_name_and_a_reason(given: Made) -> None:
    with pytest.raises(ValidationError, match="needs both"):
        Deployment.model_validate({"override": given})


def test_what_is_cleared_is_promoted_and_can_be_found(
    tmp_path: Path, judged: Made, clear: Callable[..., Made]
) -> None:
    cleared = clear(verdict=HOLD, deployment=OVERRIDE)
    promotion = champion.ChampionRecord.model_validate(promote_candidate(cleared, judged))
    pointer = tmp_path / champion.POINTER
    champion.promote(pointer, promotion)
    assert champion.file_of(pointer, promotion).name == "candidate.skops"
    assert promotion.override is not None
    assert promotion.override.by == "Ada"
    assert promotion.instead_of is None
