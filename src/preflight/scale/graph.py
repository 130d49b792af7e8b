"""The project's pipelines for tables in partitions: one node for each stage that builds them.

The functions of the project stay as they are. Nodes of a stage that make a partitioned table from
partitioned tables become one node, which runs them on one period at a time. Every other node that
reads a partitioned table gets rows of it that fit into memory (`preflight.scale.excerpts`).
"""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

from kedro.pipeline import Node, Pipeline
from kedro.validation import TypeExtractor

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.partitions import Partitions
from preflight.scale.excerpts import Reading, reading_of, take
from preflight.scale.periods import build_partitions

log = logging.getLogger(__name__)

SCRATCH, CLUSTER = "scratch", "cluster"  # datasets
NODE = "build_partitions"


def by_period(
    pipelines: Mapping[str, Pipeline], partitioned: set[str], contracts: Contracts
) -> dict[str, Pipeline]:
    """Return the pipelines of a run whose catalog has tables in partitions.

    Args:
        partitioned: the names of these tables.
        contracts: of all tables.
    """
    graph = functools.partial(_by_period, partitioned=partitioned, contracts=contracts)
    found = {}
    for name, pipeline in pipelines.items():
        stages: dict[str | None, list[Node]] = {}
        for node in pipeline.nodes:
            stages.setdefault(node.namespace, []).append(node)
        parts = [graph(Pipeline(nodes), pipeline) for nodes in stages.values()]
        found[name] = sum(parts, start=Pipeline([]))
    return found


def _by_period(
    stage: Pipeline, whole: Pipeline, partitioned: set[str], contracts: Contracts
) -> Pipeline:
    """Return a stage whose partitioned tables are built by one node."""
    made = sorted(partitioned & stage.all_outputs())
    inner = Pipeline([])
    if made:
        inner = stage.to_outputs(*made) & stage.from_inputs(*(partitioned & stage.inputs()))
    others = stage - inner
    kept = [
        _in_memory(node, partitioned, contracts) if partitioned & {*node.inputs} else node
        for node in others.nodes
    ]
    if not inner.nodes:
        return Pipeline(kept)
    inside = {node.name for node in inner.nodes}
    wanted = {name for node in whole.nodes if node.name not in inside for name in node.inputs}
    lost = (inner.all_outputs() - {*made}) & wanted
    if lost:
        raise RunError(
            f"{', '.join(sorted(lost))}: made from a table in partitions, and not in partitions. "
            "Add it to conf/large/catalog.yml and conf/dask/catalog.yml, as `features` is."
        )
    return Pipeline([_period_node(inner, made, contracts), *kept])


def _period_node(inner: Pipeline, outputs: list[str], contracts: Contracts) -> Node:
    """Return the node that runs a part of a stage on one period after the other."""
    names = sorted(inner.inputs())
    inputs = [*names, SCRATCH, CLUSTER]

    def build(*values: Any) -> tuple[Partitions, ...]:
        *others, scratch, cluster = values
        given = dict(zip(names, others, strict=True))
        made = build_partitions(inner, outputs, contracts, scratch, cluster, given)
        return tuple(made[name] for name in outputs)

    # Kedro makes typed parameters by the annotations of the function
    types = TypeExtractor({NODE: inner}).extract_types_from_pipelines()
    arguments = {f"input_{place}": name for place, name in enumerate(inputs)}
    build.__annotations__ = {
        argument: types[name.removeprefix("params:")]
        for argument, name in arguments.items()
        if name.removeprefix("params:") in types
    }
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(argument, kind) for argument in arguments]
    )
    stage = inner.nodes[0].namespace
    return Node(build, inputs, outputs, name=NODE, namespace=stage)


def _in_memory(node: Node, partitioned: set[str], contracts: Contracts) -> Node:
    """Return a node that gets rows that fit into memory in place of partitions."""
    reading = reading_of(node)
    if reading is Reading.LAZY:
        return node
    inputs = node._inputs
    places = inputs if isinstance(inputs, dict) else [inputs] if isinstance(inputs, str) else inputs

    def datasets(args: Any, kwargs: Any) -> dict[str, Any]:
        if isinstance(places, dict):
            return {places[argument]: value for argument, value in kwargs.items()}
        return dict(zip(places or [], args, strict=True))

    function: Callable[..., Any] = node.func

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        given = datasets(args, kwargs)
        tables = {name: one for name, one in given.items() if isinstance(one, Partitions)}
        given |= take(tables, reading, contracts, partitioned)
        if isinstance(places, dict):
            return function(**{argument: given[name] for argument, name in places.items()})
        return function(*(given[name] for name in places or []))

    return node._copy(func=run)
