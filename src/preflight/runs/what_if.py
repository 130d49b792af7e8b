"""A what-if: a run that is judged otherwise than conf/base alone says.

The difference may come from --params, another environment, conf/local or another conf folder.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.framework.project import pipelines, settings
from kedro.validation import ParameterValidationError, ValidatorSpec
from kedro.validation.parameter_validator import ParameterValidator
from pydantic import TypeAdapter

from preflight.errors import RunError, explain
from preflight.runs.manifest import flatten

JUDGING = ("framing", "audit", "evaluation", "modeling.baselines")  # parameters that decide
_UNSET = object()

Settings = dict[str, Any]  # parameters, typed; catalog


def find_what_ifs(project: Path, loader: OmegaConfigLoader, used: Settings) -> list[str]:
    """Return how the settings of a run that judge differ from conf/base alone; none is good.

    loader: of the run; another loader changes what its `globals:` mean, so they are restored.
    """
    here = _judging(used)
    there = _judging(_in_base(project / "conf"))
    loader._register_globals_resolver()
    return [
        f"{name} is {_written(here.get(name, _UNSET))}, "
        f"in conf/base {_written(there.get(name, _UNSET))}"
        for name in sorted(here.keys() | there.keys())
        if here.get(name, _UNSET) != there.get(name, _UNSET)
    ]


def _in_base(conf: Path) -> Settings:
    """Return what conf/base says, without any other environment and without --params."""
    alone = {"default_run_env": settings.CONFIG_LOADER_ARGS["base_env"]}
    base = OmegaConfigLoader(str(conf), **settings.CONFIG_LOADER_ARGS | alone)
    try:
        typed = ParameterValidator(dict(pipelines)).validate_raw_params(base["parameters"])
    except ParameterValidationError as error:
        raise RunError(f"conf/base has to be valid by itself. {explain(error)}") from error
    return {"parameters": typed, "catalog": base["catalog"]}


def _judging(used: Settings) -> Settings:
    """Return each setting that judges, by its dotted name: parameters and contracts."""
    parameters = flatten(TypeAdapter(Any).dump_python(used["parameters"]))
    return {
        name: value
        for name, value in parameters.items()
        if any(f"{name}.".startswith(f"{section}.") for section in JUDGING)
    } | dict(_contracts(used["catalog"]))


def _contracts(catalog: Settings) -> Iterator[tuple[str, Any]]:
    """Yield each setting of a dataset's contract that is not Kedro's default."""
    for name, entry in catalog.items():
        if "validator" in entry:
            spec = ValidatorSpec.from_dataset_config(name, entry["validator"]).to_config()
            contract = spec if isinstance(spec, dict) else {"class": spec}
            yield from flatten(contract, f"catalog.{name}.validator.").items()


def _written(value: Any) -> str:
    """Return a value as conf would have it."""
    return "not set" if value is _UNSET else json.dumps(value, default=str).removesuffix(".0")
