"""Asking by key: are answers those of batch inference, whatever is unknown, stale or replaced?

    python -m benchmarks.keys    (needs a champion)

Inference is run over past moments in a temporary copy of the project, where features may be as old
as these are. Then clients send keys to the service over HTTP, also while runs replace the table.
"""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight.deployment import champion
from preflight.inference.keyed_features import KeyedFeatures, key_values
from preflight.serving.keyed import is_keyed
from preflight.serving.measure import SERVICE, running

from late_flights.contracts.features import Features

from benchmarks import PROJECT
from benchmarks.measure import arguments, table

KEY = Features.grain()
PER_DAY = 1000  # decisions, about
AT_ONCE = 1000  # keys of a request
CONTRACT = "late_flights.contracts.derived.KeyedFeatures"
TABLE = "data/04_feature/keyed_features.sqlite"
OLD_ENOUGH = Path("conf/local/parameters_keys.yml")
COMPARED = ("probability", "act", "untouched", "flags")


class Client:
    """Asks one service over one connection."""

    def __init__(self, url: str) -> None:
        self._path = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(self._path.netloc, timeout=60)

    def ask(self, body: bytes, query: str = "") -> tuple[int, Any]:
        """Return status and document of the answer to a body."""
        self._connection.request("POST", self._path.path + query, body)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())


def keys_body(rows: pd.DataFrame) -> bytes:
    """Return the body with the keys of rows."""
    text = rows[KEY].to_json(orient="records", date_format="iso", date_unit="us")
    return f'{{"keys": {text}}}'.encode()


def copy_project(folder: Path) -> None:
    """Copy the project with its champions and clean tables, and let features be of any age."""
    for name in ("conf", "src", "data/06_models", "data/03_primary"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / name, folder / name)
    (folder / OLD_ENOUGH).write_text("framing: {serving: {features_max_age_minutes: 50000000}}\n")


def infer(folder: Path, first: pd.Timestamp, last: pd.Timestamp) -> None:
    """Run inference as of each hour from a first moment to a last one."""
    given = f"inference.moment={first.isoformat()},inference.until={last.isoformat()}"
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", "inference", "--params", given]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def newest(folder: Path, dataset: str) -> pd.DataFrame:
    """Return the newest version of a table."""
    return pd.read_parquet(sorted(folder.glob(f"data/*/{dataset}.parquet/*/*"))[-1])


def compare(client: Client, told: pd.DataFrame, query: str = "", of: Any = COMPARED) -> list[Any]:
    """Ask for all keys, many at once; return how many there are, and how many answers differ."""
    differ = 0
    for start in range(0, len(told), AT_ONCE):
        some = told.iloc[start : start + AT_ONCE]
        status, answer = client.ask(keys_body(some), query)
        assert status == 200, answer
        given = pd.DataFrame(answer["answers"])
        wrong = [given[name].to_numpy() != some[name].to_numpy() for name in of]
        differ += int(np.any(wrong, axis=0).sum())
    return [len(told), differ]


def refused(client: Client, rows: pd.DataFrame, says: str) -> list[Any]:
    """Ask for keys one by one; return how many there are, and how many are refused by name."""
    right = 0
    for i in range(len(rows)):
        status, answer = client.ask(keys_body(rows.iloc[[i]]))
        message = answer["faults"][0]["messages"][0]
        right += (
            status == 422 and says in message and f"flight {rows['flight'].iloc[i]}," in message
        )
    return [len(rows), right]


def while_replaced(
    url: str, replace: Callable[[], None], body: bytes, expected: Callable[[str], Any]
) -> list[Any]:
    """Ask with two clients until the table has been replaced as often as it is to be.

    Return the number of requests, of failed ones, of versions that were seen, and of answers that
    are not those of the version that they name.
    """
    stop, found = threading.Event(), []

    def ask() -> None:
        client = Client(url)
        while not stop.is_set():
            found.append(client.ask(body))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    replace()
    time.sleep(1)  # until the last one is noticed
    stop.set()
    for thread in threads:
        thread.join()
    answers = [answer for status, answer in found if status == 200]
    mixed = sum(
        [one["probability"] for one in answer["answers"]] != expected(answer["keyed_table"])
        for answer in answers
    )
    versions = {answer["keyed_table"] for answer in answers}
    return [len(found), len(found) - len(answers), len(versions), mixed]


def saves(folder: Path, url: str, versions: int) -> list[Any]:
    """Replace the table again and again by one with other features of the same keys."""
    dataset = KeyedFeatures(str(folder / TABLE), CONTRACT)
    rows = dataset.load().tail(200).reset_index(drop=True)
    others, made, told = rows.drop(columns=KEY), {}, {}
    for i in range(1, versions + 1):
        moved = others.iloc[np.arange(len(rows)) - i].reset_index(drop=True)
        features = pd.concat([rows[KEY], moved], axis=1)[rows.columns]
        made[f"v{i}"] = features.assign(run=f"v{i}", moment=rows["moment"].max())
    for run, features in made.items():  # the answers to the same features, sent as rows
        alone = KeyedFeatures(str(folder / f"{run}.sqlite"), CONTRACT)
        alone.save(features)
        texts = ",".join(row[-1] for row in alone.open().rows())
        _, answer = Client(url).ask(f'{{"rows": [{texts}]}}'.encode())
        told[run] = [one["probability"] for one in answer["answers"]]
    assert len({tuple(chances) for chances in told.values()}) == versions

    def replace() -> None:
        for changed in made.values():
            dataset.save(changed)
            time.sleep(0.6)  # the service looks for a new version every half second

    dataset.save(made["v1"])
    time.sleep(2)
    return while_replaced(url, replace, keys_body(rows), told.__getitem__)


def speed(folder: Path, client: Client, asked: pd.DataFrame) -> list[list[Any]]:
    """Return the milliseconds of looking up one key, and of one answer by row and by key."""
    dataset = KeyedFeatures(str(folder / TABLE), CONTRACT)
    began = time.perf_counter()
    snapshot = dataset.open()
    opened = 1000 * (time.perf_counter() - began)
    at = asked["scheduled_departure"].dt.tz_localize(None).to_numpy()
    texts = asked[KEY[:3]].astype({"carrier": object, "origin": object})
    keys = key_values([*(texts[name].to_numpy() for name in KEY[:3]), at])
    rows = [(snapshot.find(key) or sys.exit("a key is lost")).row for key in keys]
    look_up = [timed(lambda key=key: snapshot.find(key)) for key in keys]  # type: ignore[misc]
    by_row, by_key = [], []
    for i, row in enumerate(rows[:1000]):  # in turns, as the machine has other work
        sent = (f'{{"rows": [{row}]}}'.encode(), keys_body(asked.iloc[[i]]))
        by_row.append(timed(lambda body=sent[0]: client.ask(body)))  # type: ignore[misc]
        by_key.append(timed(lambda body=sent[1]: client.ask(body)))  # type: ignore[misc]
    body = sent[0]
    looks = [timed(lambda: is_keyed(body)) for _ in range(1000)]
    return [
        ["look up one key", *quantiles(look_up)],
        ["look whether a body has keys", *quantiles(looks)],
        ["one row over HTTP", *quantiles(by_row)],
        ["one key over HTTP", *quantiles(by_key)],
        ["open and check a new version", f"{opened:.1f}", ""],
    ]


def timed(call: Callable[[], Any]) -> float:
    """Return the milliseconds of a call."""
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def quantiles(milliseconds: list[float]) -> list[str]:
    """Return median and 99th percentile."""
    p99 = statistics.quantiles(milliseconds, n=100)[-1]
    return [f"{statistics.median(milliseconds):.4f}", f"{p99:.4f}"]


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, keys=10_000, versions=40, runs=4).parse_args(argv)
    if champion.current(PROJECT / champion.POINTER) is None:
        sys.exit("There is no champion: kedro run --pipelines deployment")
    with tempfile.TemporaryDirectory(prefix="preflight-") as where:
        folder = Path(where)
        copy_project(folder)
        departures = newest(folder, "flights")["scheduled_departure"]
        end = departures.max().floor("h") - pd.Timedelta(hours=26 + options.runs)
        infer(folder, end - pd.Timedelta(days=-(-options.keys // PER_DAY) + 2), end)
        every = newest(folder, "predictions")
        told = every.tail(options.keys).reset_index(drop=True)
        one_by_one = told.tail(500).reset_index(drop=True)
        unknown = one_by_one.assign(flight=9999)
        lines, refusals = [], []
        with running(SERVICE, folder) as service:
            client = Client(service.url)
            lines.append(["many at once", *compare(client, told)])
            explained = (*COMPARED, "reasons")
            lines.append(["with reasons", *compare(client, one_by_one, "?explain=true", explained)])
            single = [compare(client, one_by_one.iloc[[i]]) for i in range(len(one_by_one))]
            lines.append(["one by one", *map(sum, zip(*single, strict=True))])
            refusals.append(["unknown", *refused(client, unknown, "there are no features of")])
            times = speed(folder, client, told.tail(2000).reset_index(drop=True))

            def run_again() -> None:
                for hours in range(1, options.runs + 1):
                    moment = end + pd.Timedelta(hours=hours)
                    infer(folder, moment, moment)

            chances = one_by_one.tail(50)["probability"].tolist()
            body = keys_body(one_by_one.tail(50))
            replaced = [
                ["runs", *while_replaced(service.url, run_again, body, lambda _: chances)],
                ["saves", *saves(folder, service.url, options.versions)],
            ]
        infer(folder, end, end)
        (folder / OLD_ENOUGH).unlink()  # so that features are too old
        with running(SERVICE, folder) as service:
            client = Client(service.url)
            refusals.append(["stale", *refused(client, one_by_one, "minutes old: the most is 120")])
    table(
        f"Answers by key and by batch inference, of {len(every):,} keys in the table",
        ["asked", "keys", "that differ in any bit"],
        lines,
    )
    table("Keys without usable features", ["keys", "asked", "refused by name"], refusals)
    header = ["requests while the table is replaced by", "asked", "failed", "versions", "mixed"]
    table("Replaced under load, two clients", header, replaced)
    table("Milliseconds", ["what", "median", "99%"], times)


if __name__ == "__main__":
    main()
