"""What is found is told at once, stops a run, and is of the very bytes that are used later."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from preflight.audit.contracts import AuditFindings, AuditParameters
from preflight.audit.findings import finding, require_no_failures
from preflight.audit.split_checks import check_split
from preflight.audit.target_leakage import check_target_leakage
from preflight.errors import RunError
from preflight.features.fingerprints import require_fingerprints
from preflight.problem.framing import Framing

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
LabelsOf = Callable[[Parts], pd.DataFrame]
MakeAudit = Callable[..., AuditParameters]
Failed = Callable[[pd.DataFrame], list[str]]


def test_clean_examples_pass_and_keep_the_contract(
    parts: Parts, framing: Framing, make_audit: MakeAudit, contracts: Any, labels_of: LabelsOf
) -> None:
    together = require_no_failures(
        check_target_leakage(parts[0], parts[0].head(0), parts[0], make_audit(), contracts),
        check_split(*parts, parts[2], labels_of(parts), framing, make_audit(), contracts),
    )
    AuditFindings.validate(together, lazy=True)
    assert set(together["state"]) == {"passed"}
    assert together["check"].tolist() == [
        "features of train", "audited train", "features of validation", "audited validation",
        "one feature", "one value", "two features", "sum or difference",
        "features of test", "audited test",
        "labels of train", "labels of validation", "labels of test",
        "same decision", "labels in time", "parts in order", "same row", "labels known",
    ]  # fmt: skip


@pytest.mark.parametrize("part", [0, 1, 2])
def test_examples_that_are_not_the_features_that_were_replayed_are_caught(
    parts: Parts,
    framing: Framing,
    part: int,
    make_audit: MakeAudit,
    contracts: Any,
    failed: Failed,
    labels_of: LabelsOf,
) -> None:
    features = pd.concat(parts, ignore_index=True)
    changed = list(parts)
    changed[part] = parts[part].assign(one=parts[part]["one"] + parts[part]["label"])
    findings = [
        *failed(
            check_target_leakage(
                changed[0], changed[1], features, make_audit(single_auc=1), contracts
            )
        ),
        *failed(
            check_split(*changed, features, labels_of(parts), framing, make_audit(), contracts)
        ),
    ]
    assert findings == [f"features of {['train', 'validation', 'test'][part]}"]


def test_what_is_fitted_has_to_be_what_was_audited(
    parts: Parts, make_audit: MakeAudit, contracts: Any
) -> None:
    findings = check_target_leakage(parts[0], parts[0].head(0), parts[0], make_audit(), contracts)
    require_fingerprints(findings, train=parts[0])
    for other in (parts[0].iloc[::-1], parts[0].assign(noise=0), parts[0].head(-1)):
        with pytest.raises(RunError, match="'train' is not the one that the audit has passed"):
            require_fingerprints(findings, train=other)
    with pytest.raises(RunError, match="'test' is not the one"):
        require_fingerprints(findings, test=parts[2])


def test_all_that_failed_is_told_at_once() -> None:
    good = {"check": "a", "state": "passed", "measured": 0.0, "limit": 1.0, "evidence": "fine"}
    one, other = (
        pd.DataFrame(
            [good, good | {"check": name, "state": "failed", "evidence": f"{name} is bad"}]
        )
        for name in ("b", "c")
    )
    with pytest.raises(RunError) as error:
        require_no_failures(one, other)
    assert str(error.value).splitlines()[1:] == ["  - b: b is bad", "  - c: c is bad"]


def test_a_failed_finding_is_never_saved() -> None:
    row = {"check": "a", "state": "passed", "measured": 2.0, "limit": 1.0, "evidence": "no"}
    with pytest.raises(Exception, match="nothing measured is above its limit"):
        AuditFindings.validate(pd.DataFrame([row]), lazy=True)


def test_the_real_contract_is_what_the_audit_reads(project_contracts: Any) -> None:
    assert {"names", "grain"} <= set(dir(project_contracts["features"]))


def test_a_statistic_that_is_not_defined_does_not_pass_its_limit() -> None:
    assert finding("one feature", "", 0.8, 0.8)["state"] == "passed"
    assert finding("one feature", "", 0.9, 0.8)["state"] == "failed"
    undefined = finding("one feature", "", np.nan, 0.8)
    assert undefined["state"] == "failed"
    assert finding("audited train", "a hash, without a limit")["state"] == "passed"
    with pytest.raises(SchemaErrors, match="nothing measured is above its limit"):
        AuditFindings.validate(pd.DataFrame([undefined | {"state": "passed"}]), lazy=True)
