"""Requests with keys: their features are looked up, and answered like the rows of a request."""

import re
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contract
from preflight.contracts.table import Table
from preflight.errors import RunError
from preflight.inference.keyed_features import Found, Snapshot, key_values
from preflight.serving.predictor import BatchPredictions
from preflight.serving.requests import ParsedRequest, RequestReader

KEYED = re.compile(rb'\s*\{\s*"keys"\s*:')
INLINE_KEYED_BYTES = 5_000  # some 50 keys; more are looked up in a thread
STALE = "stale features"  # the flag of features that are older than the framing allows
NO_TABLE = (
    "this service looks up no keys: its catalog has no dataset keyed_features. Add it, as in the "
    "template's conf/base/catalog/inference.yml, or send rows"
)

MINUTE = 60_000_000  # microseconds
Arrays = dict[str, npt.NDArray[Any]]


def is_keyed(body: bytes) -> bool:
    """Return whether a body begins with keys; of other bodies only the beginning is read."""
    return KEYED.match(body) is not None


class LookedUp(NamedTuple):
    """Where the features of some rows came from.

    version: of the table. runs: the run that computed each row. flags: of each row.
    """

    version: str
    runs: list[str]
    flags: list[str]

    def add_flags(self, found: BatchPredictions) -> BatchPredictions:
        """Return answers with the flags of their rows, in the order of batch inference."""
        pairs = zip(self.flags, found.columns["flags"].tolist(), strict=True)
        flags = np.array([", ".join(filter(None, pair)) for pair in pairs], dtype=object)
        return found._replace(columns={**found.columns, "flags": flags})


class KeyedReader:
    """Reads the keys of a request, and looks up their features.

    Args:
        dataset: of the features by key, an `inference.keyed_features.KeyedFeatures`; None: the
            project has none.
        features: the contract of the rows.
        reader: reads rows of features, as of a request.
        max_keys: of one request.
        max_age: of features; older ones are refused, or flagged.
    """

    def __init__(
        self,
        dataset: Any,
        features: Contract,
        reader: RequestReader,
        max_keys: int,
        max_age: pd.Timedelta,
    ) -> None:
        self._dataset, self._reader = dataset, reader
        self._max_age = max_age // pd.Timedelta(microseconds=1)
        self._key = features.grain()
        contract = features if dataset is None else _contract_of_key(features)
        self._keys = RequestReader(contract, max_keys, ("keys",))
        self._snapshot: Snapshot | None = None
        self._problem = NO_TABLE
        self._stamp: Any = ()  # of the file; no file has this one

    def follow(self) -> None:
        """Open the table if its file has changed.

        Raises:
            RunError: it can't be used. Requests with keys are refused until it is replaced.
        """
        if self._dataset is None or (stamp := self._dataset.stamp()) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._snapshot = self._dataset.open()
        except RunError as error:
            self._snapshot, self._problem = None, str(error)
            if stamp is not None:  # before the first run of inference there is no file
                raise

    def schema(self, schemas: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON schemas of a body and its parts, with keys as a third form."""
        if self._dataset is None:
            return schemas
        own, body = self._keys.schema(), schemas["Body"]
        keys = own["Body"]["properties"]["rows"] | {"items": {"$ref": "#/components/schemas/Key"}}
        named = {
            "properties": {**body["properties"], "keys": keys | {"title": "Keys"}},
            "oneOf": [*body["oneOf"], {"required": ["keys"]}],
        }
        return {**schemas, "Key": own["Row"] | {"title": "Key"}, "Body": body | named}

    def read(self, body: bytes, stale: bool) -> tuple[ParsedRequest, LookedUp]:
        """Return the features of the keys of a body as its rows, and where they came from.

        All features are of one version of the table. A key without features is a fault.

        stale: flag features that are too old, rather than refuse them.

        Raises:
            RunError: there is no table, or it can't be used.
        """
        snapshot, now = self._snapshot, time.time_ns() // 1000
        if snapshot is None:
            raise RunError(self._problem)
        asked = self._keys.read(body)
        if not asked.row_numbers:
            return asked, LookedUp(snapshot.version, [], [])
        arrays = self._keys.arrays(asked.blocks)
        keys = key_values(arrays[name] for name in self._key)
        numbers = asked.row_numbers
        found = {n: snapshot.find(key) for n, key in zip(numbers, keys, strict=True)}
        age = {n: now - one.moment for n, one in found.items() if one}
        good = {n: one for n, one in found.items() if one and (stale or age[n] <= self._max_age)}
        asked.faults.add_rows(
            (number for number in found if number not in good),
            lambda n: [self._describe(arrays, numbers.index(n), age.get(n))],
        )
        rows = self._read_rows(good, asked)
        features = [good[number] for number in rows.row_numbers]
        old = [age[number] > self._max_age for number in rows.row_numbers]
        flags = [
            ", ".join(filter(None, (one.lacks, STALE if is_old else "")))
            for one, is_old in zip(features, old, strict=True)
        ]
        return rows, LookedUp(snapshot.version, [one.run for one in features], flags)

    def _read_rows(self, found: dict[int, Found], asked: ParsedRequest) -> ParsedRequest:
        """Return the features that were found, by the number of their key, as rows of a request.

        They are checked like rows of a request: a check of the contract may be new.
        """
        if not found:
            return asked._replace(row_numbers=[])
        texts = ",".join(one.row for one in found.values())
        rows, numbers = self._reader.read(f'{{"rows":[{texts}]}}'.encode()), [*found]
        messages = {
            numbers[row]: [f"its features break the contract: {one}" for one in says]
            for row, says in rows.faults.messages.items()
            if row is not None
        }
        bad = [numbers[row] for row in sorted(rows.faults.rows)]
        asked.faults.add_rows(bad, lambda number: messages.get(number, ["its features are bad"]))
        return asked._replace(
            blocks=rows.blocks, row_numbers=[numbers[row] for row in rows.row_numbers]
        )

    def _describe(self, keys: Arrays, place: int, age: int | None) -> str:
        """Return why the key at a place has no features, or none that may be used."""
        named = ", ".join(f"{name} {keys[name][place]!s:.60}" for name in self._key)
        if age is None:
            return (
                f"there are no features of {named}. Correct the key, if it is wrong; inference "
                "writes features when the decision is due, and deletes them when it is over. Or "
                "send its row"
            )
        return (
            f"the features of {named} are {age / MINUTE:,.0f} minutes old: the most is "
            f"{self._max_age / MINUTE:g} (framing.serving.features_max_age_minutes). Send its row, "
            "or take them, with a flag: ?stale=true"
        )


def _contract_of_key(features: Contract) -> Contract:
    """Return the class with the columns of the key, on which that of the features is based."""
    key = {*features.grain()}
    for one in features.__mro__:
        if issubclass(one, Table) and key and {*one.to_schema().columns} == key:
            return one
    raise RunError(
        f"{features.__name__} is based on no class that has only its key "
        f"({', '.join(features.grain())}), by which features are looked up. Declare the key in a "
        "class of its own, as in contracts/primary.py: class Key(Table, key=[...])"
    )
