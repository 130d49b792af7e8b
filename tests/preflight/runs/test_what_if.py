"""What makes a run a what-if: each door with a planted difference, and its clean twin."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.validation.parameter_validator import ParameterValidator

from preflight.errors import RunError
from preflight.problem.framing import Framing
from preflight.runs import what_if
from preflight.runs.manifest import RUN_MANIFEST, lineage, what_ifs_before

from late_flights.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[3]
Given = dict[str, Any]
Differ = Callable[..., list[str]]
METRICS = {"class": "preflight.evaluation.contracts.metrics"}
BASE = {
    name: yaml.safe_load((PROJECT / f"conf/base/parameters/{name}.yml").read_text())[name]
    for name in ("framing", "evaluation")
}
MISS, SEED = BASE["framing"]["costs"]["fn"], BASE["evaluation"]["seed"]
TEST_FROM = datetime.fromisoformat(str(BASE["framing"]["split"]["test_from"]))
COSTS = f"framing.costs.fn is 5000, in conf/base {MISS}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "conf/base", tmp_path / "conf/base")
    for env in ("local", "prod"):
        (tmp_path / "conf" / env).mkdir()
    return tmp_path


@pytest.fixture
def differ(project: Path) -> Differ:
    """Return the differences of a run with these files in an environment, and parameters."""
    configure_project("late_flights")

    def found(
        params: Given | None = None, env: str = "local", conf: str = "conf", **files: Any
    ) -> list[str]:
        for name, content in files.items():
            (project / conf / env / f"{name}.yml").write_text(yaml.safe_dump(content))
        folder = str(project / conf)
        loader = OmegaConfigLoader(folder, env=env, runtime_params=params, **CONFIG_LOADER_ARGS)
        typed = ParameterValidator(dict(pipelines)).validate_raw_params(loader["parameters"])
        used = {"parameters": typed, "catalog": loader["catalog"]}
        return what_if.find_what_ifs(project, loader, used)

    return found


def framed(**costs: Any) -> Given:
    return {"framing": {"costs": costs}}


def test_conf_base_alone_is_no_what_if(differ: Differ) -> None:
    assert differ() == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"params": framed(fn=5000)}, COSTS),
        ({"parameters": framed(fn=5000)}, COSTS),
        ({"parameters": framed(fn=5000), "env": "prod"}, COSTS),
        ({"params": {"audit": {"single_auc": 1}}}, "audit.single_auc is 1, in conf/base 0.8"),
        ({"params": {"evaluation": {"seed": 7}}}, f"evaluation.seed is 7, in conf/base {SEED}"),
        (
            {"parameters": {"audit": {"allowed": {"one_feature": {"distance": "so"}}}}},
            'audit.allowed.one_feature.distance is "so", in conf/base not set',
        ),
        (
            {"params": {"framing": {"split": {"test_from": str(TEST_FROM + timedelta(days=1))}}}},
            f'framing.split.test_from is "{TEST_FROM + timedelta(days=1)}", '
            f'in conf/base "{TEST_FROM}"',
        ),
        (
            {"params": {"modeling": {"baselines": {"never_act": {"threshold": 0}}}}},
            "modeling.baselines.never_act.threshold is 0, in conf/base 1",
        ),
        (
            {"catalog": {"train": {"validator": {"severity": "warn"}}}},
            'catalog.train.validator.severity is "warn", in conf/base not set',
        ),
        (
            {"catalog": {"train": {"validator": {"enabled": False}}}, "env": "prod"},
            "catalog.train.validator.enabled is false, in conf/base not set",
        ),
        (
            {"catalog": {"metrics": {"validator": "a.B"}}},
            f'catalog.metrics.validator.class is "a.B", in conf/base "{METRICS["class"]}"',
        ),
    ],
)
def test_a_difference_that_judges_is_told(differ: Differ, given: Given, told: str) -> None:
    assert differ(**given) == [told]


@pytest.mark.parametrize(
    "given",
    [
        {"params": {"modeling": {"search": {"trials": 0}}}},
        {"params": {"modeling": {"candidates": {"boosted_trees": {"exclude_groups": ["plan"]}}}}},
        {"params": {"deployment": {"override": {"by": "Ada", "reason": "so"}}}},
        {"params": {"inference": {"moment": "2013-12-24T12:00:00Z"}}},
        {"parameters": {"about": {"model": {"users": "all"}}}},
        {"params": framed(fn=MISS)},
        {"params": {"evaluation": {"seed": str(SEED)}}},
        {"params": {"framing": {"split": {"test_from": TEST_FROM.astimezone(UTC).isoformat()}}}},
        {"catalog": {"train": {"filepath": "s3://a/train.parquet"}}, "env": "prod"},
        {"catalog": {"metrics": {"validator": METRICS}}},
    ],
)
def test_another_candidate_the_same_value_or_another_path_is_no_what_if(
    differ: Differ, given: Given
) -> None:
    assert differ(**given) == []


def test_a_contract_that_is_gone_from_another_folder_of_conf_is_told(
    differ: Differ, project: Path
) -> None:
    shutil.copytree(project / "conf", project / "other")
    assert differ(conf="other") == []
    path = project / "other/base/catalog/modeling.yml"
    text = path.read_text()
    contract = "  validator: preflight.modeling.contracts.candidate\n"
    assert contract in text
    path.write_text(text.replace(contract, ""))
    assert differ(conf="other") == [
        "catalog.candidate.validator.class is not set, "
        'in conf/base "preflight.modeling.contracts.candidate"'
    ]


def test_what_the_owner_writes_into_conf_base_is_no_what_if(differ: Differ, project: Path) -> None:
    path = project / "conf/base/parameters/framing.yml"
    path.write_text(path.read_text().replace(f"    fn: {MISS} ", "    fn: 5000 "))
    assert differ() == []
    told = f"framing.costs.fn is {MISS}, in conf/base 5000"
    assert differ(params=framed(fn=MISS)) == [told]


def test_globals_of_an_environment_are_told_and_stay_those_of_the_run(
    differ: Differ, project: Path
) -> None:
    path = project / "conf/base/parameters/framing.yml"
    path.write_text(path.read_text().replace(f"    fn: {MISS} ", "    fn: ${globals:miss} "))
    (project / "conf/base/globals.yml").write_text(f"miss: {MISS}")
    assert differ() == []
    assert differ(globals={"miss": 5000}) == [COSTS]
    loader = OmegaConfigLoader(str(project / "conf"), **CONFIG_LOADER_ARGS)
    typed = ParameterValidator(dict(pipelines)).validate_raw_params(loader["parameters"])
    used = {"parameters": typed, "catalog": loader["catalog"]}
    assert what_if.find_what_ifs(project, loader, used) == [COSTS]
    assert loader["parameters"]["framing"]["costs"]["fn"] == 5000


def test_parameters_as_a_run_leaves_them_are_no_what_if(differ: Differ, project: Path) -> None:
    loader = OmegaConfigLoader(str(project / "conf"), **CONFIG_LOADER_ARGS)
    parameters = loader["parameters"]
    framing = Framing.model_validate(parameters["framing"])
    assert framing.split.test_from.utcoffset()
    written = parameters | {"framing": framing.model_dump(mode="json")}
    again = json.loads(json.dumps({"parameters": written, "catalog": loader["catalog"]}))
    assert differ(**again) == []


def test_a_conf_base_that_is_not_valid_by_itself_is_told(differ: Differ, project: Path) -> None:
    path = project / "conf/base/parameters/framing.yml"
    path.write_text(path.read_text().replace(f"    fn: {MISS} ", "    fn: 0 "))
    with pytest.raises(RunError, match=r"conf/base has to be valid by itself.(?s:.*)'framing'"):
        differ(params=framed(fn=MISS))


class File:
    """A dataset of which a version is on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True)
        path.touch()

    def exists(self) -> bool:
        return self.path.exists()

    def _get_load_path(self) -> str:
        return str(self.path)


VERSIONS = [f"2013-01-0{day}T00.00.00.000Z" for day in range(1, 5)]


@pytest.fixture
def keep(
    manifest_of: Callable[..., Given], record_of: Callable[..., Given], tmp_path: Path
) -> Callable[..., None]:
    """Writes the manifest of a run that has read files of these versions."""

    def write(version: str, what_if: list[str], outputs: Given | None = None, **read: str) -> None:
        inputs = {name: record_of(name, "0" * 64, from_) for name, from_ in read.items()}
        run = manifest_of(version, inputs=inputs, outputs=outputs or {}, what_if=what_if)
        path = tmp_path / RUN_MANIFEST / version / "run_manifest.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(run))

    return write


def test_a_run_is_a_what_if_if_one_that_it_reads_from_was(
    keep: Callable[..., None], tmp_path: Path
) -> None:
    first, second, third, orphan = VERSIONS
    keep(first, ["audit.single_auc is 1, in conf/base 0.8"])
    keep(second, [], audit=first)
    keep(third, [], champion=first)
    catalog = {
        name: File(tmp_path / f"data/{name}/{version}/{name}")
        for name, version in zip(("audit", "candidate", "train", "test"), VERSIONS, strict=True)
    } | {"champion": File(tmp_path / f"data/champion/{first}/champion"), "params:framing": 1}
    told = {"audit.single_auc is 1, in conf/base 0.8": first}
    assert what_ifs_before(tmp_path, catalog, ["audit"]) == told
    assert what_ifs_before(tmp_path, catalog, ["candidate", "params:framing"]) == told
    assert what_ifs_before(tmp_path, catalog, ["train", "champion", "test"]) == {}
    keep(orphan, [*told, "b"])
    assert what_ifs_before(tmp_path, catalog, ["audit", "test"]) == {
        "b": orphan,
        **dict.fromkeys(told, orphan),
    }


def test_what_an_earlier_run_made_is_among_what_a_run_rests_on(
    keep: Callable[..., None], record_of: Callable[..., Given], tmp_path: Path
) -> None:
    first, second, *_ = VERSIONS
    keep(first, ["a"])
    # --only-missing-outputs
    keep(second, [], outputs={"audit": record_of("audit", "0" * 64, first)})
    assert lineage(tmp_path, {second}) == {first, second}
