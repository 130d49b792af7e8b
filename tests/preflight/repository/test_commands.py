"""Commands in README, docs and conf: each can be given as it stands, and the cheap ones are run."""

import ast
import os
import re
import shlex
import subprocess
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.startup import bootstrap_project
from kedro.validation import TypeExtractor

from preflight.cli.commands import cli as project_commands

from late_flights.pipeline_registry import register_pipelines
from late_flights.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[3]
FOLDERS = [
    "*.md",
    "docs/*.md",
    "data/01_raw/*.md",
    "benchmarks/*.md",
    "conf/base/**/*.yml",
    ".ci/run",
]
FILES = sorted(
    path for folder in FOLDERS for path in PROJECT.glob(folder) if path.name != "dictionary.md"
)
VERSION = "2026-01-31T12.00.00.000Z"
ELSEWHERE = {  # not of this project
    *("cd", "curl", "git", "mlflow", "npx", "optuna-dashboard", "pip", "python", "uv"),
}
TOLD_BY_NAME = {"make reproduce"}  # in the middle of a sentence
# files of the repository that a project is made without, and the words of their commands
TARGETS = {
    "mkdocs.yml": "docs",
    "benchmarks/README.md": "bench",
    "src/preflight/serving/measure.py": "bench-service",
    "tests/preflight/reporting/axe.mjs": "axe",
}
GONE = {word for part, word in TARGETS.items() if not (PROJECT / part).exists()}
GONE |= {"benchmarks"} if "bench" in GONE else set()
WORDS = r"(?:make [a-z]|kedro [a-z]|\.venv/bin/|python -m |uv |pip install )"
CHEAP = re.compile(r"(contract|dictionary|versions)\b(?!.*(--prune|--to\b))")  # they change nothing


def commands(text: str) -> Iterator[str]:
    """Yield the commands of a text: lines of its shell blocks, words in backticks, in comments."""
    blocks = re.findall(r"^```(?:bash|sh|shell)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(rf"`({WORDS}[^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    lines += re.findall(r"^#   (kedro .*)", text, flags=re.MULTILINE)
    for line in lines:
        words = shlex.split(re.sub(r"<version>", VERSION, line.split("     (")[0]), comments=True)
        parts = [i for i, word in enumerate(words) if word == "&&"]
        for start, end in zip([0, *[i + 1 for i in parts]], [*parts, len(words)], strict=True):
            if words[start:end]:
                yield shlex.join(words[start:end])


def given() -> list[Any]:
    return [
        pytest.param(command, id=f"{path.name}: {command}")
        for path in FILES
        for command in dict.fromkeys(commands(path.read_text()))
        if not GONE.intersection(re.split(r"[ ,.=\"']", command))
    ]


def dry_run(arguments: list[str]) -> list[list[str]]:
    """Return kedro's arguments as make would give them.

    Raise ValueError for a target or a variable that is not there.
    """
    names = [argument.split("=")[0] for argument in arguments if "=" in argument]
    text = (PROJECT / "Makefile").read_text()
    if unknown := [name for name in names if not re.search(rf"\$\({name}\)", text)]:
        raise ValueError(f"make takes no {', '.join(unknown)}")
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"ARGS": ""},
    )
    if done.returncode:
        raise ValueError(done.stderr)
    calls = re.findall(r" -m kedro ([^>\n]*)", done.stdout)
    return [shlex.split(call) for call in calls]


@pytest.fixture(scope="module")
def kedro() -> KedroCLI:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of plugins: Kedro leaves out one that raises
        return KedroCLI(project_path=PROJECT)


@pytest.fixture(scope="module")
def check(kedro: KedroCLI) -> Any:
    """Raise an error for a command that could not be given; return Kedro's part of it."""
    pipelines = register_pipelines()
    every = sum(pipelines.values(), start=type(pipelines["__default__"])([]))
    typed = TypeExtractor(pipelines).extract_types_from_pipelines()

    def run(options: dict[str, Any]) -> None:
        named = options["pipelines"] or ""
        unknown = {*(named.split(",") if isinstance(named, str) else named)} - {"", *pipelines}
        datasets = {*(options["to_outputs"] or []), *(options["load_versions"] or [])}
        unknown |= datasets - every.datasets()
        nodes = {node.name for node in every.nodes}
        unknown |= {*(options["from_nodes"] or []), *(options["to_nodes"] or [])} - nodes
        if unknown:
            raise ValueError(f"there is no {', '.join(unknown)}")
        arguments = CONFIG_LOADER_ARGS | {"default_run_env": "base"}
        conf = OmegaConfigLoader(
            str(PROJECT / "conf"), runtime_params=options["params"], **arguments
        )["parameters"]
        if strange := options["params"].keys() - {name.split(".")[0] for name in typed}:
            raise ValueError(f"there is no parameter {', '.join(strange)}")
        for name, model in typed.items():
            section = conf
            for key in name.split("."):
                section = section[key]
            model.model_validate(section)

    def parse(arguments: list[str]) -> list[str]:
        command: click.Command = kedro
        context, rest = None, arguments
        while isinstance(command, click.Group):
            context = context or click.Context(kedro, info_name="kedro", obj=None)
            found = command.get_command(context, rest[0]) if rest else None
            if found is None:
                raise ValueError(f"kedro has no command {' '.join(rest[:1])}")
            command, rest = found, rest[1:]
        parsed = command.make_context(command.name, list(rest), parent=context)
        if command.name == "run" and arguments[0] == "run":
            run(parsed.params)
        return arguments

    def check(command: str) -> list[str]:
        words = shlex.split(command)
        while re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # variables of the environment
            words = words[1:]
        program, arguments = Path(words[0]).name, words[1:]
        if program == "make":
            return [part for call in dry_run(arguments) for part in parse(call)]
        if program.startswith("python") and arguments[:1] == ["-m"]:
            here = PROJECT / f"{arguments[1].replace('.', '/')}.py"
            part = arguments[1].split(".")[0]
            if not here.exists() and find_spec(part) is None:
                raise ValueError(f"there is no module {arguments[1]}")
            return []
        if program == "kedro":
            return parse(arguments)
        if program not in ELSEWHERE:
            raise ValueError(f"{program} is no command that the project has")
        return []

    return check


@pytest.mark.parametrize("command", given())
def test_a_command_can_be_given_as_it_stands(command: str, check: Any) -> None:
    if command not in TOLD_BY_NAME:
        check(command)


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        'make run WORDS="--pipelines audit"',
        'make run ARGS="--pipelines nothing"',
        'make run ARGS="--pipeline-names audit"',
        'make run ARGS="--params nothing.at_all=1"',
        'make run ARGS="--params framing.costs.nothing=1"',
        'make run ARGS="--params framing.confidence=many,modeling.search.trials=0"',
        'make run ARGS="--to-outputs nothing"',
        f'make run ARGS="--load-versions nothing:{VERSION}"',
        "kedro nothing",
        ".venv/bin/kedro versions --nothing",
        ".venv/bin/kedro diff one",
        "python -m nothing.at_all",
        "nothing --at all",
    ],
)
def test_a_command_that_can_not_be_given_is_found(command: str, check: Any) -> None:
    with pytest.raises((ValueError, click.UsageError, click.exceptions.Exit)):
        check(command)


def test_commands_are_found_where_they_stand() -> None:
    text = (
        "Say `make run`, or `kedro run --pipelines audit`, not `makes`.\n"
        "```bash\nmake test   # all\n# nothing\ncd a && make lint\n```\n"
        "```python\nmake = 1\n```\n#   kedro run --params a=1     (said)\n"
    )
    assert list(commands(text)) == [
        "make test",
        "cd a",
        "make lint",
        "make run",
        "kedro run --pipelines audit",
        "kedro run --params a=1",
    ]


def test_there_are_many() -> None:
    assert len(given()) > (60 if (PROJECT / "docs").exists() else 10)


def cheap() -> list[str]:
    """The project's own commands that take seconds, without `kedro`."""
    found = {part.values[0] for part in given()}
    kedro = {shlex.join(shlex.split(one)[1:]) for one in found if re.match(r"\S*kedro ", one)}
    for one in found:
        if one.startswith("make contract "):
            kedro |= {shlex.join(call) for call in dry_run(shlex.split(one)[1:])}
    light = [one for one in kedro if CHEAP.match(one)]
    there = [one for one in light if "data/" not in one or (PROJECT / one.split()[-1]).exists()]
    return sorted(there)  # docs may name a file that a user brings


@pytest.mark.parametrize("command", cheap())
def test_a_cheap_command_works(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    result = CliRunner().invoke(
        project_commands, shlex.split(command), obj=bootstrap_project(PROJECT)
    )
    assert result.exit_code == 0, result.output
    assert result.output or command == "versions"


def test_make_help_works() -> None:
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "make contract" in done.stdout


CODE = [
    pytest.param(kind, block, id=f"{path.name}-{number}")
    for path in FILES
    if path.suffix == ".md"
    for number, (kind, block) in enumerate(
        re.findall(
            r"^```(python|yaml)\n(.*?)^```", path.read_text(), flags=re.DOTALL | re.MULTILINE
        )
    )
]


@pytest.mark.parametrize(("kind", "block"), CODE)
def test_code_in_documents_can_be_read_and_names_datasets_that_exist(
    kind: str, block: str, conf: OmegaConfigLoader
) -> None:
    if kind == "yaml":
        assert yaml.safe_load(block)
        return
    ast.parse(dedent(block))
    assert set(re.findall(r"catalog\.load\(\"(\w+)\"", block)) <= set(conf["catalog"])
