"""Whether inference and the service say of each decision of test what evaluation said of it.

    python -m benchmarks.parity    (needs a run with a verdict)

Inference is asked as of every second hour of all days of test, so each decision is due once; its
rows are then given to the service's own reader as the JSON that a client sends.
"""

import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from preflight.inference.contracts import Inference
from preflight.inference.predict import build_upcoming, predict_upcoming
from preflight.modeling.model import predict
from preflight.problem.framing import Framing
from preflight.runs.manifest import evaluated_run
from preflight.serving.requests import RequestReader

from late_flights.contracts.features import Features

from benchmarks import PROJECT
from benchmarks.measure import arguments, table

STEP = 120  # minutes; the framing's lead is the most


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, every=1).parse_args(argv)
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT) as session:
        context = session.load_context()
        run = evaluated_run(PROJECT)
        files = {**run["inputs"], **run["outputs"]}
        framing = Framing.model_validate(context.params["framing"])
        candidate = context.catalog.load("candidate", version=files["candidate"]["version"])
        contracts, graph = (context.catalog.load(name) for name in ("contracts", "feature_graph"))
        inputs = graph.inputs() - {"contracts"}
        given = {name: context.catalog.load(name) for name in inputs}
    candidate["provenance"]["version"] = files["candidate"]["version"]
    test = pd.read_parquet(PROJECT / Path(files["test_predictions"]["path"]))
    first, last = test["predict_at"].min().floor("h"), test["predict_at"].max().ceil("h")
    moments = pd.date_range(first, last + pd.Timedelta(minutes=STEP), freq=f"{STEP}min")
    reader = RequestReader(Features, 10_000)
    found = []
    for moment in moments[:: options.every]:
        asked = Inference(moment=moment, until=None, every_minutes=STEP)
        upcoming = build_upcoming(framing, asked, contracts, graph, **given)
        if upcoming.empty:
            continue
        told = predict_upcoming(candidate, upcoming, framing, contracts)
        rows = upcoming[list(Features.to_schema().columns)].astype(object)
        columns = rows.where(rows.notna(), None).to_dict("list")
        body = json.dumps({"columns": columns}, default=pd.Timestamp.isoformat)
        served = reader.read(body.encode())
        assert not served.faults.messages, served.faults.messages
        again = predict(candidate, reader.table(served.blocks, candidate["features"]))
        found.append(told.assign(served=again))
    key = Features.grain()
    made = pd.concat(found, ignore_index=True)
    texts = dict.fromkeys(test[key].select_dtypes("category").columns, "str")
    both = made.astype(texts).merge(test.astype(texts), on=key, suffixes=("", "_test"))
    differ = [
        int(np.count_nonzero(both[name] != both["probability_test"]))
        for name in ("probability", "served")
    ]
    table(
        f"{len(moments[:: options.every]):,} moments, {len(test):,} examples of test",
        ["asked", "decisions compared", "probabilities that differ"],
        [[who, len(both), n] for who, n in zip(("inference", "the service"), differ, strict=True)],
    )


if __name__ == "__main__":
    main()
