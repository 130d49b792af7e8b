"""Every command of README and docs is executed by a test, or it is said why none can.

A new command in a page fails `test_a_command_is_executed` until it stands in a table below, or in
STEPS of `slow/test_documented_commands.py`. That the others can be given, `test_commands.py` tests.
"""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[3]
TESTS = PROJECT / "tests/preflight"
PAGES = [path for path in [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
         if path.name != "dictionary.md"]  # fmt: skip
SESSION = TESTS / "slow/test_documented_commands.py"
# It follows tutorial.md and yours.md to the letter.
PAGE = (
    "slow/test_starter.py::"
    "test_a_page_on_your_data_leads_to_its_verdict_if_it_is_followed_to_the_letter"
)
# A pattern of commands, and the test below tests/preflight that runs them.
EXECUTED = {
    r"kedro run( --params framing.costs.fn=1000)?": (
        "test_run.py::test_a_what_if_says_so_is_not_counted_and_not_deployed"
    ),
    r"kedro run --params modeling\S*exclude_groups=\[previous_leg\](,modeling.search.trials=0)?": (
        "slow/test_documented_commands.py::test_the_commands_of_the_pages_work_in_their_order"
    ),
    r"make run": "slow/test_starter.py::test_from_a_clean_machine_to_a_decision",
    r"kedro run --env large": "slow/test_cluster.py::test_two_workers_write_the_same_bytes",
    r"kedro run --env dask": "slow/test_cluster.py::test_two_workers_write_the_same_bytes",
    r"kedro partition --by month": "slow/test_cluster.py::test_two_workers_write_the_same_bytes",
    r"kedro run --env very_late .*": (
        "repository/test_recipes.py::test_a_second_label_is_tried_in_an_environment"
    ),
    r"PREFLIGHT_RUN=VERSION kedro run .*": (
        "slow/test_orchestrator.py::test_the_tasks_of_a_run_give_what_one_process_gives"
    ),
    r"kedro reproduce VERSION": (
        "slow/test_whole_runs.py::test_from_a_refusal_to_predictions_on_the_command_line"
    ),
    r"kedro viz build.*": (
        "slow/test_whole_runs.py::"
        "test_kedro_viz_builds_its_site_with_folded_stages_layers_and_previews"
    ),
    r"python (make_patients\.py|-m zipfile -e .*)|git (init|add \.|commit .*)": (PAGE),
    r"kedro run --pipelines data_engineering,feature_engineering,audit": PAGE,
    r"kedro run --params framing\.prediction\.lead_minutes=1440(,modeling\.search\.trials=0)?": (
        PAGE
    ),
    r"(make|kedro) update.*": "slow/test_update.py::test_a_changed_project_takes_version_2",
    r"(preflight/.venv/bin/)?kedro new.*": (
        "slow/test_starter.py::test_a_new_project_bears_its_own_name_and_nothing_of_the_starter"
    ),
    r"kedro pipeline delete diagnosis": (
        "slow/test_starter.py::test_a_stage_is_left_out_by_kedros_own_command_and_a_line_or_two"
    ),
    r"kedro contract data/01_raw/\w+\.csv": (  # of files that the reader brings
        "cli/test_draft.py::test_the_command_prints_or_writes_a_new_file"
    ),
    r"kedro stop-experiment (canary|NAME) .*": (
        "slow/test_documented_commands.py::test_the_commands_of_the_pages_work_in_their_order"
    ),
    r"kedro airflow create .*": (  # the plugin's own part is left out
        "slow/test_orchestrator.py::test_the_generated_tasks_are_the_stages_in_their_order"
    ),
    r"make serve.*": (
        "serving/test_process.py::test_a_service_that_is_killed_leaves_a_log_that_is_whole_and_true"
    ),
    r"curl .*(rows|many)\.json": (
        "serving/test_app.py::test_columns_are_answered_by_column_with_the_same_numbers"
    ),
    r"curl .*keys\.json": (
        "serving/test_keyed.py::test_the_answers_are_those_of_batch_inference_to_the_bit"
    ),
    r"kedro versions --prune": (
        "cli/test_versions.py::test_pruning_marks_each_version_that_it_deletes_before_it_asks"
    ),
    r"kedro delete-log": "test_run.py::test_rows_of_the_log_are_deleted_by_a_command",
    r"make preview": "test_run.py::test_a_preview_leaves_nothing_that_another_stage_reads",
    r"make help": "repository/test_commands.py::test_make_help_works",
    r"make bench-service": (
        "slow/test_service_benchmark.py::test_a_candidate_is_measured_for_the_promotion_gate"
    ),
    r"python -m benchmarks\.single_rows .*": (
        "slow/test_service_benchmark.py::test_one_row_is_compared_with_an_earlier_commit"
    ),
    r"python -m benchmarks\.second_data .*": "slow/test_benchmarks.py::test_second_data_runs",
    r"python -m benchmarks\.(block|pruning|monitoring_\w+)": (
        "slow/test_benchmarks.py::test_benchmark_runs"
    ),
    r"python -m benchmarks\.\w+.*": "slow/test_benchmarks.py::test_benchmark_can_be_imported",
}
# What no test runs, and why.
NOT_EXECUTED = {
    r"git clone .*|cd \S+": "the place of the repository is the reader's",
    r"(\S+/)?pip install .*": "installs packages from a registry",
    r"make (tracking|lock.*|docs.*|axe)": "installs packages from a registry",
    r"make (test|test-all|lint|format).*": "runs tests and checks; they run now",
    r"kedro package": "installs packages to build a wheel",
    r"kedro ipython.*|make (viz|graph)": "is for a person to look at, until it is ended",
    r"\S*(mlflow ui|optuna-dashboard) .*": "is for a person to look at, until it is ended",
    r"make reproduce": "needs RUN, as the text says",
}


def module_of(name: str) -> dict[str, Any]:
    """Return what a neighbouring file of tests defines."""
    path = Path(__file__).with_name(name)
    found: dict[str, Any] = {"__file__": str(path), "__name__": path.stem}
    exec(compile(path.read_text("utf-8"), path, "exec"), found)
    return found


COMMANDS = module_of("test_commands.py")["commands"]


def canonical(command: str) -> str:
    """Return a command as it is looked up: `make run` as Kedro's, one word for each placeholder."""
    words = shlex.split(re.sub(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z", "VERSION", command))
    start = next(i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word))
    words[start] = words[start].removeprefix(".venv/bin/")
    if words[start : start + 3] == ["python", "-m", "kedro"]:
        words[start : start + 3] = ["kedro"]
    ways = {"accept": "accept-data", "run": "run", "contract": "contract", "reproduce": "reproduce"}
    if words[0] == "make" and words[1] in ways and (len(words) > 2 or words[1] == "accept"):
        given = [word.partition("=")[::2] for word in words[2:]]
        options = [(["--to"] if name == "TO" else []) + shlex.split(value) for name, value in given]
        words = ["kedro", ways[words[1]], *(word for option in options for word in option)]
    words = ["NAME" if word == "WHO" else word for word in words]
    return shlex.join(words).replace("'", "")


def steps() -> list[str]:
    """Return the commands that the session in a finished project stands for."""
    tree = ast.parse(SESSION.read_text("utf-8"))
    (found,) = (one.value for one in tree.body if isinstance(one, ast.Assign)
                and getattr(one.targets[0], "id", "") == "STEPS")  # fmt: skip
    assert isinstance(found, ast.List)
    first = [ast.literal_eval(one.elts[0]) for one in found.elts if isinstance(one, ast.Tuple)]
    return [canonical(one) for one in first]


def found_in_pages() -> dict[str, str]:
    """Return each command of the pages, and where it stands."""
    return {
        canonical(command): f"{path.name}: {command}"
        for path in PAGES
        for command in COMMANDS(path.read_text("utf-8"))
    }


def is_known(command: str) -> bool:
    rules = [*EXECUTED, *NOT_EXECUTED]
    return command in steps() or any(re.fullmatch(rule, command) for rule in rules)


@pytest.mark.parametrize("command", found_in_pages())
def test_a_command_is_executed(command: str) -> None:
    assert is_known(command), found_in_pages()[command]


def test_a_command_that_no_test_executes_is_found() -> None:
    assert not is_known("kedro run --pipelines diagnosis --params diagnosis.fits=1")
    assert not is_known(canonical("make nothing"))


@pytest.mark.parametrize("rule", [*EXECUTED, *NOT_EXECUTED])
def test_a_rule_is_of_a_command_that_stands_in_a_page(rule: str) -> None:
    assert any(re.fullmatch(rule, command) for command in found_in_pages())


def test_a_step_is_of_a_command_that_stands_in_a_page() -> None:
    assert [one for one in steps() if one not in found_in_pages()] == []


@pytest.mark.parametrize("test", sorted(set(EXECUTED.values())))
def test_the_test_that_executes_a_command_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (TESTS / file).read_text("utf-8")


def test_a_command_is_looked_up_without_its_spelling() -> None:
    version = "2026-01-31T12.00.00.000Z"
    assert [
        canonical(one)
        for one in (
            'make run ARGS="--params a.b=1"',
            "make contract FROM=a.csv TO=b.py",
            "make accept",
            ".venv/bin/python -m kedro airflow create",
            f"PREFLIGHT_RUN={version} .venv/bin/kedro diff {version} VERSION",
            "kedro stop-experiment NAME --by WHO --reason 'a b'",
        )
    ] == [
        "kedro run --params a.b=1",
        "kedro contract a.csv --to b.py",
        "kedro accept-data",
        "kedro airflow create",
        "PREFLIGHT_RUN=VERSION kedro diff VERSION VERSION",
        "kedro stop-experiment NAME --by NAME --reason a b",
    ]
