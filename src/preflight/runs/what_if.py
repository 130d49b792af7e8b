"""What-if runs: their settings that decide differ from conf/base.

The difference may come from --params, another environment, conf/local or another conf folder.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.framework.project import pipelines, settings
from kedro.validation import ParameterValidationError, ValidatorSpec
from kedro.validation.parameter_validator import ParameterValidator
from pydantic import TypeAdapter

from preflight.errors import RunError, explain
from preflight.runs.manifest import flatten

DECIDING = ("framing", "audit", "evaluation", "modeling.baselines")  # parameters
_UNSET = object()

Settings = dict[str, Any]  # parameters, typed; catalog
Fill = Callable[[Settings], Settings]


def find_what_ifs(
    project: Path, loader: OmegaConfigLoader, used: Settings, fill: Fill = dict
) -> list[str]:
    """Return how the settings of a run that decide differ from conf/base, one line each.

    loader: of the run. A second loader replaces its `globals:` resolver, so it is restored.
    fill: adds to parameters of conf what follows from them.
    """
    here = _deciding(used)
    base = _deciding(_base_settings(project / "conf", fill))
    loader._register_globals_resolver()
    return [
        f"{name} is {_as_written(here.get(name, _UNSET))}, "
        f"in conf/base {_as_written(base.get(name, _UNSET))}"
        for name in sorted(here.keys() | base.keys())
        if here.get(name, _UNSET) != base.get(name, _UNSET)
    ]


def _base_settings(conf: Path, fill: Fill) -> Settings:
    """Return the settings of conf/base, without any other environment and without --params."""
    alone = {"default_run_env": settings.CONFIG_LOADER_ARGS["base_env"]}
    base = OmegaConfigLoader(str(conf), **settings.CONFIG_LOADER_ARGS | alone)
    try:
        typed = ParameterValidator(dict(pipelines)).validate_raw_params(fill(base["parameters"]))
    except ParameterValidationError as error:
        raise RunError(f"conf/base has to be valid by itself. {explain(error)}") from error
    return {"parameters": typed, "catalog": base["catalog"]}


def _deciding(used: Settings) -> Settings:
    """Return the parameters and contracts that decide, by their dotted names."""
    parameters = flatten(TypeAdapter(Any).dump_python(used["parameters"]))
    sections = tuple(f"{section}." for section in DECIDING)
    deciding = {n: value for n, value in parameters.items() if f"{n}.".startswith(sections)}
    return deciding | dict(_contracts(used["catalog"]))


def _contracts(catalog: Settings) -> Iterator[tuple[str, Any]]:
    """Yield each setting of a dataset's contract that is not Kedro's default."""
    for name, entry in catalog.items():
        if "validator" in entry:
            spec = ValidatorSpec.from_dataset_config(name, entry["validator"]).to_config()
            contract = spec if isinstance(spec, dict) else {"class": spec}
            yield from flatten(contract, f"catalog.{name}.validator.").items()


def _as_written(value: Any) -> str:
    """Return a value as it is written in conf."""
    return "not set" if value is _UNSET else json.dumps(value, default=str).removesuffix(".0")
