"""Everything in `conf` is used, understood and held by a contract."""

import ast
import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import CatalogConfigResolver
from kedro.pipeline import Pipeline
from kedro.validation import TypeExtractor, ValidatorSpec, resolve_validator
from pydantic import BaseModel

from preflight.contracts.table import Table
from preflight.hooks.manifest import RUN_MANIFEST

from late_flights.pipeline_registry import register_pipelines

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"  # of the engine and of the project
Typed = dict[str, type[BaseModel]]


@pytest.fixture(scope="module")
def pipelines() -> Pipeline:
    """All registered pipelines as one."""
    return sum(register_pipelines().values(), start=Pipeline([]))


@pytest.fixture(scope="module")
def catalog(conf: OmegaConfigLoader) -> dict[str, Any]:
    return conf["catalog"]


@pytest.fixture(scope="module")
def parameters(conf: OmegaConfigLoader) -> dict[str, Any]:
    return conf["parameters"]


@pytest.fixture(scope="module")
def typed() -> Typed:
    """The class that Kedro turns each parameter into, by the parameter's name."""
    return TypeExtractor(register_pipelines()).extract_types_from_pipelines()


def saved(catalog: dict[str, Any]) -> list[str]:
    """The entries that are files; those in memory pass from node to node, others are only read."""
    passing = {
        "MemoryDataset",
        "preflight.datasets.Folder",
        "preflight.datasets.AllVersions",
        "preflight.cluster.ClusterDataset",
        "preflight.datasets.StudyStorage",
        "preflight.datasets.DeferredTable",
        "preflight.inference.prediction_log.LoggedDays",
        "preflight.deployment.datasets.OfChampion",
        "preflight.deployment.datasets.ModelVersions",
    }
    return [name for name, entry in catalog.items() if entry["type"] not in passing]


def without_safe_contract(catalog: dict[str, Any]) -> list[str]:
    """The saved entries whose data could be written, or read, without a contract that holds."""
    faults = []
    for name in saved(catalog):
        if "validator" not in catalog[name]:
            faults.append(name)
            continue
        spec = ValidatorSpec.from_dataset_config(name, catalog[name]["validator"])
        if spec.severity != "error" or not spec.enabled or set(spec.on) != {"load", "save"}:
            faults.append(name)
        if spec.options:  # head, tail or sample: the rest would go unseen
            faults.append(name)
    return faults


def test_every_saved_dataset_has_a_contract_that_stops_the_run(catalog: dict[str, Any]) -> None:
    assert len(saved(catalog)) > 10
    assert without_safe_contract(catalog) == []


@pytest.mark.parametrize(
    "validator",
    [
        None,
        {"class": "a.B", "severity": "warn"},
        {"class": "a.B", "enabled": False},
        {"class": "a.B", "on": ["load"]},
        {"class": "a.B", "options": {"head": 5}},
    ],
)
def test_a_dataset_without_a_contract_that_stops_the_run_is_found(validator: Any) -> None:
    entry = {"type": "pandas.ParquetDataset"}
    clean = {"a": entry | {"validator": "a.B"}, "b": {"type": "MemoryDataset"}}
    assert without_safe_contract(clean) == []
    defect = {"a": entry | ({"validator": validator} if validator else {})}
    assert without_safe_contract(defect) == ["a"]


def test_every_contract_of_the_catalog_exists(catalog: dict[str, Any]) -> None:
    for name, entry in catalog.items():
        if "validator" in entry:
            spec = ValidatorSpec.from_dataset_config(name, entry["validator"])
            assert callable(resolve_validator(spec).validate), name


def test_every_saved_table_has_a_key(catalog: dict[str, Any]) -> None:
    contracts = {
        name: ValidatorSpec.from_dataset_config(name, catalog[name]["validator"]).class_path
        for name in saved(catalog)
    }
    schemas = {
        name: resolve_validator(ValidatorSpec(path))._schema
        for name, path in contracts.items()
        if hasattr(resolve_validator(ValidatorSpec(path)), "_schema")
    }
    assert len(schemas) > 10
    assert all(issubclass(schema, Table) for schema in schemas.values())
    without = [name for name, schema in schemas.items() if not schema.grain()]
    assert without == []


def test_every_output_is_versioned(catalog: dict[str, Any], pipelines: Pipeline) -> None:
    # what they hold is kept, or is one state that is followed
    kept = {"promotion", "refit_promotion", "prediction_log", "test_evaluations", "keyed_features"}
    kept |= {"latest_input_check", "latest_alarms", "alarm_webhook", "experiment_design"}
    outputs = set(saved(catalog)) & pipelines.all_outputs() - kept
    assert outputs
    assert [name for name in sorted(outputs) if not catalog[name].get("versioned")] == []


def unused_entries(catalog: dict[str, Any], datasets: set[str]) -> list[str]:
    """Entries that no pipeline reads or writes; one with braces stands for many names."""
    pattern = {name: re.sub(r"\{.*?\}", "*", name) for name in catalog}
    return [name for name, like in pattern.items() if not fnmatch.filter(datasets, like)]


def test_every_catalog_entry_is_used(catalog: dict[str, Any], pipelines: Pipeline) -> None:
    others = {RUN_MANIFEST, "prediction_log"}  # saved by hooks and by the service
    assert unused_entries(catalog, pipelines.datasets() | others) == []


def test_an_entry_that_no_pipeline_uses_is_found() -> None:
    catalog = dict.fromkeys(["flights", "old", "{any}_log"])
    assert unused_entries(catalog, {"flights", "a_log"}) == ["old"]
    assert unused_entries(catalog, {"flights", "old"}) == ["{any}_log"]


def test_every_input_is_in_the_catalog(catalog: dict[str, Any]) -> None:
    resolver = CatalogConfigResolver(catalog)  # knows the patterns, such as that of all figures
    for pipeline in register_pipelines().values():
        read = {name for name in pipeline.inputs() if not name.startswith("params:")}
        assert [
            name for name in read - {*catalog} if not resolver.match_dataset_pattern(name)
        ] == []


def leaves(section: Any, path: str = "") -> Iterator[str]:
    """Return the dotted path of each value that is not a section."""
    for name, value in section.items():
        here = f"{path}.{name}" if path else name
        if isinstance(value, dict) and value:
            yield from leaves(value, here)
        else:
            yield here


def unused_parameters(parameters: dict[str, Any], datasets: set[str]) -> list[str]:
    """Parameters that no node is given."""
    given = [name.removeprefix("params:") for name in datasets if name.startswith("params:")]
    return [
        leaf
        for leaf in leaves(parameters)
        if not any(leaf == name or leaf.startswith(f"{name}.") for name in given)
    ]


def test_every_parameter_is_given_to_a_node(
    parameters: dict[str, Any], pipelines: Pipeline
) -> None:
    assert unused_parameters(parameters, pipelines.datasets()) == []


def test_a_parameter_that_no_node_is_given_is_found() -> None:
    parameters = {"a": {"b": 1, "c": {"d": 2}}, "ab": {"e": 3}}
    assert unused_parameters(parameters, {"params:a", "params:ab", "x"}) == []
    assert unused_parameters(parameters, {"params:a.c", "params:ab"}) == ["a.b"]
    assert unused_parameters(parameters, {"params:a"}) == ["ab.e"]


def test_every_parameter_that_is_given_exists(
    parameters: dict[str, Any], pipelines: Pipeline
) -> None:
    given = {name.removeprefix("params:") for name in pipelines.inputs() if "params:" in name}
    known = {".".join(leaf.split(".")[:n]) for leaf in leaves(parameters) for n in range(1, 9)}
    assert given <= known


def test_the_shipped_parameters_are_valid(parameters: dict[str, Any], typed: Typed) -> None:
    assert {name.split(".")[0] for name in typed} == set(parameters)  # none is an untyped mapping
    for name, model in typed.items():
        section = parameters
        for key in name.split("."):
            section = section[key]
        model.model_validate(section)


def models(annotation: Any) -> set[type[BaseModel]]:
    """Return the pydantic classes within an annotation, and those of their fields."""
    found = set().union(*(models(inner) for inner in get_args(annotation)), set())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        found |= {annotation}.union(*(models(field.annotation) for field in fields))
    return found


def test_a_misspelt_parameter_is_refused_in_every_section(typed: Typed) -> None:
    every = set().union(*map(models, typed.values()))
    assert len(every) > 5
    assert [one.__name__ for one in every if one.model_config.get("extra") != "forbid"] == []


def unread_fields(every: set[type[BaseModel]], read: set[str]) -> list[str]:
    """Fields that no code reads; a literal is read by pydantic, to tell classes apart."""
    return sorted(
        f"{model.__name__}.{name}"
        for model in every
        for name in model.model_fields
        if name not in read and get_origin(model.model_fields[name].annotation) is not Literal
    )


def attributes_read() -> set[str]:
    """Every name that follows a dot in the code and in the templates of pages."""
    code = [ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")]
    read = {
        node.attr for tree in code for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }
    pages = [
        path for ending in ("html", "j2", "jinja", "md") for path in SOURCE.rglob(f"*.{ending}*")
    ]
    return read.union(*(re.findall(r"\.(\w+)", path.read_text()) for path in pages))


def test_every_typed_parameter_is_read_by_something(
    parameters: dict[str, Any], typed: Typed
) -> None:
    read = attributes_read()
    if "framing.prediction.label_threshold" not in leaves(parameters):
        read.add("label_threshold")  # only a project's own labels read it, if they have a threshold
    assert unread_fields(set().union(*map(models, typed.values())), read) == []


def test_a_typed_parameter_that_nothing_reads_is_found() -> None:
    class Inner(BaseModel):
        deep: int

    class Outer(BaseModel):
        type: Literal["outer"]
        inner: dict[str, list[Inner]] | None
        flat: int

    assert models(Outer) == {Outer, Inner}
    assert unread_fields(models(Outer), {"inner", "flat", "deep"}) == []
    assert unread_fields(models(Outer), {"inner"}) == ["Inner.deep", "Outer.flat"]


def unexplained(text: str) -> list[str]:
    """Return the values without a comment on or above their line, or that of a section around them.

    The name of the outermost section is that of the file: it explains nothing.
    """
    lines = text.splitlines()

    def has_comment(node: yaml.Node) -> bool:
        line = node.start_mark.line
        return " #" in lines[line] or lines[line - 1].lstrip().startswith("#")

    def walk(node: yaml.Node, path: str, explained: bool) -> Iterator[str]:
        for key, value in node.value:
            here = f"{path}.{key.value}" if path else key.value
            known = explained or (has_comment(key) and bool(path or value.id != "mapping"))
            if isinstance(value, yaml.MappingNode):
                yield from walk(value, here, known)
            elif not known:
                yield here

    return list(walk(yaml.compose(text), "", False))


def test_a_parameter_without_a_comment_is_found() -> None:
    text = "a: # the file\n  b: 1 # one\n  c:\n    d: 2\n  e: # five\n    f: {g: 3}\n"
    assert unexplained(text) == ["a.c.d"]
    assert unexplained(text.replace("d: 2", "d: 2 # two")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "conf/base").rglob("*.yml")), ids=lambda p: p.stem)
def test_every_file_opens_with_what_it_is_and_the_command_that_uses_it(path: Path) -> None:
    opening = re.match(r"(#.*\n)+", path.read_text())
    assert opening is not None
    assert re.search(r"#   kedro run ", opening[0])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "conf/base/parameters").glob("*.yml")), ids=lambda p: p.stem
)
def test_every_parameter_is_explained(path: Path) -> None:
    assert unexplained(path.read_text()) == []


def catalog_of(env: str) -> dict[str, Any]:
    """Return the entries of an environment; none, if the project has deleted its folder."""
    path = ROOT / f"conf/{env}/catalog.yml"
    entries: dict[str, Any] = yaml.safe_load(path.read_text()) if path.exists() else {}
    return {name: entry for name, entry in entries.items() if not name.startswith("_")}


def test_tables_in_partitions_are_those_of_the_catalog(catalog: dict[str, Any]) -> None:
    large = catalog_of("large")
    kinds = {name: entry["type"].rpartition(".")[2] for name, entry in large.items()}
    assert kinds.pop("scratch", "Scratch") == "Scratch"
    assert kinds.keys() <= catalog.keys()
    assert set(kinds.values()) <= {"PartitionedTable"}


def test_a_cluster_builds_the_same_tables() -> None:
    dask = catalog_of("dask")
    assert dask.pop("cluster", {"workers": 2})["workers"] == 2
    assert dask == catalog_of("large")
