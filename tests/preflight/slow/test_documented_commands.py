"""The commands of README and docs, one after the other in a small project that is finished.

Which command of the pages another test runs, or none can: `test_executed.py` in the folder
`repository`, which reads STEPS too.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from preflight.deployment import champion
from preflight.runs.manifest import RUN_MANIFEST

Kedro = Callable[..., Any]
LAST = "retraining.moment=2013-02-18T05:00:00Z,retraining.weeks=1"
DESIGN = (
    "experiment_design.moment=2013-02-18T05:00:00Z,experiment_design.history_weeks=3,"
    "experiment_design.weeks=8"
)
FEW = "modeling.search.trials=3"
# What stands in the pages; what takes its place in a project of seven weeks (empty: nothing), where
# {run}, {refit} and {first} are versions; the exit status (None: any), and what the command says.
STEPS = [
    ("kedro dictionary", "", 0, "## Parameters"),
    ("kedro versions", "", 0, "MB  all"),
    ("kedro contract data/01_raw/flights.csv.zip", "", 0, "class RawFlights"),
    ("kedro contract data/01_raw/planes.csv", "", 0, "class RawPlanes"),
    ("kedro contract data/01_raw/planes.csv --to draft.py", "", 0, "Drafted into draft.py"),
    ("kedro accept-data", "", 0, ""),
    # deployment and predictions
    ("kedro run --pipelines deployment", "", 1, "is not promoted:"),
    (
        "kedro run --pipelines deployment --params "
        "'deployment.override.by=NAME,"
        "deployment.override.reason=the old model fails at the new terminal'",
        "",
        0,
        r"PROMOTED  \S+ is the champion",
    ),
    ("kedro run --pipelines data_engineering,inference", "", 0, ""),
    (
        "kedro run --pipelines inference --params "
        "inference.moment=2013-12-01T00:00:00Z,inference.until=2013-12-31T23:00:00Z",
        "kedro run --pipelines inference --params "
        "inference.moment=2013-01-28T05:00:00Z,inference.until=2013-02-17T05:00:00Z,"
        "inference.every_minutes=120",
        0,
        "",
    ),
    (
        "kedro run --pipelines inference --params inference.moment=2013-12-24T12:00:00Z",
        "kedro run --pipelines inference --params inference.moment=2013-02-17T12:00:00Z",
        0,
        "",
    ),
    ("kedro compact-log", "", 0, "merged into one per day"),
    # monitoring and retraining
    (
        "kedro run --pipelines data_engineering,feature_engineering --to-outputs labels",
        "",
        0,
        "",
    ),
    ("kedro run --pipelines monitoring", "", 0, ""),
    (
        "kedro run --pipelines monitoring --params monitoring.moment=2013-12-24T05:00:00Z",
        "kedro run --pipelines monitoring --params monitoring.moment=2013-02-17T05:00:00Z",
        0,
        "",
    ),
    (
        "kedro run --pipelines inference --params inference.override.by=NAME,"
        "inference.override.reason=Thanksgiving,inference.override.until=2013-11-30T12:00:00Z",
        "kedro run --pipelines inference --params inference.override.by=NAME,"
        "inference.override.reason=Thanksgiving,inference.override.until=2013-02-18T12:00:00Z,"
        "inference.moment=2013-02-17T14:00:00Z",
        0,
        "",
    ),
    (
        "kedro run --pipelines data_engineering,feature_engineering,retraining",
        f"kedro run --pipelines data_engineering,feature_engineering,retraining --params {LAST}",
        0,
        "",
    ),
    (
        "kedro run --pipelines retraining",
        f"kedro run --pipelines retraining --params {LAST}",
        0,
        "",
    ),
    ("kedro shadow VERSION", "kedro shadow {refit}", 0, "In the shadow"),
    ("kedro shadow", "", 0, "In the shadow"),
    ("kedro shadow --off", "", 0, "The challenger was taken out"),
    # on a busy machine the speed is not measured, and the refit not promoted
    ("kedro run --pipelines refit", "", None, "PROMOTED|The refit is not promoted"),
    ("kedro rollback", "", None, "is the champion again|no champion before this one"),
    ("kedro withdraw --by NAME --reason WHY", "", 0, ""),
    ("kedro rollback --to VERSION", "kedro rollback --to {first}", 0, "is the champion again"),
    ("kedro run --pipelines production_replay", "", 1, "A replay needs"),  # seven weeks are too few
    (
        "kedro run --pipelines production_replay --params production_replay.labels_late_days=14",
        "",
        1,
        r"A replay needs.* labels_late_days \(14\)",
    ),
    # experiments
    (
        "kedro run --pipelines experiment_design",
        f"kedro run --pipelines experiment_design --params {DESIGN}",
        0,
        "experiment prepare_or_not: from",
    ),
    ("kedro run --pipelines experiment_readout", "", 1, "experiment"),
    (  # it was one of 2013
        "kedro stop-experiment prepare_or_not --by NAME --reason complaints",
        "",
        1,
        "ended on 2013-04-22: nothing to stop",
    ),
    # parts of a run
    ("kedro run --pipelines feature_engineering,audit", "", 0, ""),
    ("kedro run --pipelines audit", "", 0, ""),
    ("kedro run --to-outputs features", "", 0, ""),
    (
        "kedro run --pipelines modeling,evaluation,diagnosis,reporting",
        "",
        0,
        "SHIP|HOLD|DO NOT SHIP",
    ),
    ("kedro run --pipelines diagnosis,reporting", "", 0, ""),
    ("kedro run --pipelines reporting", "", 0, ""),
    (
        "kedro run --pipelines evaluation --load-versions candidate:2026-01-31T12.00.00.000Z",
        "kedro run --pipelines evaluation --load-versions candidate:{first}",
        0,
        "",
    ),
    (
        "kedro run --to-nodes evaluation.compute_power --params modeling.search.trials=0",
        "",
        0,
        "",
    ),
    (
        "kedro diff 2026-01-31T12.00.00.000Z 2026-02-01T12.00.00.000Z",
        "kedro diff {first} {run}",
        0,
        "parameters",
    ),
    # other settings
    (
        "kedro run --params modeling.search.trials=50",
        f"kedro run --pipelines modeling --params {FEW}",
        0,
        "",
    ),
    (
        "kedro run --params modeling.search.seconds=300",
        f"kedro run --pipelines modeling --params modeling.search.seconds=300,{FEW}",
        0,
        "",
    ),
    (
        "kedro run --params modeling.search.study=second",
        "kedro run --pipelines modeling --params modeling.search.study=second",
        0,
        "",
    ),
    ("kedro run --params modeling.search.trials=0", "", 0, "SHIP|HOLD|DO NOT SHIP"),
    (
        "kedro run --params "
        "modeling.search.trials=0,modeling.candidates.boosted_trees.exclude_groups=[previous_leg]",
        "",
        0,
        "SHIP|HOLD|DO NOT SHIP",
    ),
    (
        "kedro run --params framing.costs.fn=1000,modeling.search.trials=0",
        "",
        0,
        "(?i)what-if",
    ),
    (
        "kedro run --pipelines audit --params audit.single_auc=1",
        "",
        0,
        "",
    ),
    ("kedro run --pipelines modeling,evaluation", "", 0, "(?i)what-if.*audit.single_auc"),
    # cleaning up
    ("kedro versions --prune --keep 5", "kedro versions --prune --keep 5 --yes", 0, "DELETE"),
    (
        "kedro delete-log --where carrier=B6 --where flight=1231",
        "kedro delete-log --where carrier=B6 --where flight=1231 --yes",
        0,
        "rows were deleted|No rows match",
    ),
    (
        "kedro delete-log --older-than 400",
        "kedro delete-log --older-than 400 --yes",
        0,
        "rows were deleted",
    ),
]


def test_the_commands_of_the_pages_work_in_their_order(finished_copy: Path, kedro: Kedro) -> None:
    where = finished_copy
    manifests = where / RUN_MANIFEST
    (first,) = (path.name for path in manifests.iterdir())
    failed = []
    for stands, instead, status, says in STEPS:
        runs = sorted(path.name for path in manifests.iterdir())
        refits = sorted((where / "data/06_models/challenger.skops").glob("*"))
        known = {"first": first, "run": runs[-1], "refit": refits[-1].name if refits else ""}
        given = shlex.split((instead or stands).format(**known))[1:]
        done = kedro(where, *given)
        said = done.stdout + done.stderr
        if status not in {None, done.returncode} or not re.search(says, said, flags=re.S):
            failed.append(f"{shlex.join(given)}: {done.returncode}\n{said[-1500:]}")
    assert not failed, "\n\n".join(failed)
    assert champion.current(where / champion.POINTER)
