"""`kedro new` with this repository as starter: a project under its own name, that runs."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import preflight
from preflight.runs.manifest import LEDGER

PROJECT = Path(__file__).parents[3]
Made = subprocess.CompletedProcess[str]


def tracked() -> list[str]:
    """What git tracks here; in a checkout without git, what is there but the results."""
    if (PROJECT / ".git").exists():
        command = ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others"]
        listed = subprocess.run(
            [*command, "--exclude-standard"], capture_output=True, text=True, check=True
        )
        return [name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]
    files = (path.relative_to(PROJECT) for path in PROJECT.rglob("*") if path.is_file())
    return [str(name) for name in files if not set(name.parts) & {".venv", "__pycache__"}]


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it stands, without git, and with what a run has left in it."""
    folder = tmp_path_factory.mktemp("starter") / "preflight-main"
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    for left in (
        "data/03_primary/flights.parquet/1/a.parquet",
        ".venv/a",
        "conf/local/b.yml",
        LEDGER,
    ):
        (folder / left).parent.mkdir(parents=True, exist_ok=True)
        (folder / left).write_text("preflight")
    return folder


@pytest.fixture
def new(tmp_path: Path) -> Callable[..., Made]:
    """Call `kedro new` in an empty folder."""
    (tmp_path / ".telemetry").write_text("consent: false")

    def call(starter: Path | str, *arguments: str, answers: str = "", cwd: Path = tmp_path) -> Made:
        command = [sys.executable, "-m", "kedro", "new", f"--starter={starter}", *arguments]
        return subprocess.run(
            command,
            cwd=cwd,
            input=answers,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"DO_NOT_TRACK": "1", "PWD": str(cwd)},
        )

    return call


LINT, FORMATTED, TYPES = ["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]


def works(command: list[str], project: Path) -> None:
    alone = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=alone,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def text_of(project: Path) -> dict[str, str]:
    files = (path for path in project.rglob("*") if path.is_file())
    return {
        path.relative_to(project).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in files
    }


def test_a_new_project_bears_its_own_name_and_nothing_of_the_starter(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    done = new(starter, "--name", "Late Parcels", answers="yes\n")
    assert done.returncode == 0, done.stderr
    made = text_of(tmp_path / "late-parcels")
    assert not [name for name in made if re.search("late.flights", name, re.I)]
    named = {name for name, text in made.items() if re.search("late[_-]flights|Late Flights", text)}
    assert named == set()
    assert {"src/late_parcels/settings.py", "conf/local/.gitkeep", ".ci/run"} <= made.keys()
    own = {"cookiecutter.json", "prompts.yml", "hooks", "{{ cookiecutter.repo_name }}"}
    assert not {name.split("/")[0] for name in made} & own
    assert LEDGER not in made  # a count of its own
    left = [name for name in made if re.match(r"data/0[2-8]|\.venv|conf/local", name)]
    assert all(name.endswith(".gitkeep") for name in left)
    assert "{{ cookiecutter" not in "".join(made.values())
    assert 'package_name = "late_parcels"' in made["pyproject.toml"]
    assert 'project_name = "Late Parcels"' in made["pyproject.toml"]
    assert "Is it for you?" not in made["mkdocs.yml"]
    assert not [name for name in made if name.startswith("tests/preflight")]


def test_the_engine_is_the_same_to_the_byte(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    assert new(starter, "--name", "Late Parcels", answers="no\n").returncode == 0
    engines = [root / "src/preflight" for root in (starter, tmp_path / "late-parcels")]
    ours, theirs = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in engines
    )
    assert ours == theirs


def test_the_table_of_parcels_is_what_its_maker_writes(tmp_path: Path) -> None:
    write = runpy.run_path(str(PROJECT / "hooks/make_parcels.py"))["write"]
    write(tmp_path / "parcels.csv")
    for name in ("parcels.csv", "manifest.json"):
        kept = PROJECT / "hooks/blank/data/01_raw" / name
        assert (tmp_path / name).read_bytes() == kept.read_bytes()


def test_it_is_made_from_git_a_zip_a_file_of_answers_and_by_hand(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(starter, repository)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    (repository / "LICENSE").unlink()
    subprocess.run([*git, "commit", "-qam", "one file less"], check=True)
    archive = tmp_path / "main.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("preflight-main/", "")
        for path in sorted(starter.rglob("*")):
            file.write(path, f"preflight-main/{path.relative_to(starter).as_posix()}")
    (tmp_path / "answers.yml").write_text(
        "project_name: from a file\nexample: 'yes'\nrepo_name: elsewhere\npython_package: by_file\n"
    )
    calls = {
        "from-git": (f"git+file://{repository}", "--checkout=v1", "--name=From Git"),
        "from-url": (f"file://{repository}", "--checkout=v1", "--name=From Url"),
        "relative-zip": (f"./{archive.name}", "--name=relative_zip"),
        "from-zip": (str(archive), "--name=from_zip"),
        "elsewhere": (str(starter), "--config=answers.yml"),
        "by-hand": (str(starter),),
    }
    for folder, (source, *arguments) in calls.items():
        done = new(source, *arguments, answers="By - Hand\n\n" if folder == "by-hand" else "\n")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / folder / "LICENSE").exists()
        assert (tmp_path / folder / "data/01_raw/flights.csv.zip").stat().st_size > 1e6
    assert (tmp_path / "elsewhere/src/by_file/settings.py").exists()
    assert (tmp_path / "by-hand/src/by_hand/settings.py").exists()


def test_a_path_to_the_starter_starts_where_the_command_is_called(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    folder = tmp_path / "a/b"
    folder.mkdir(parents=True)
    near = shutil.copytree(starter, tmp_path / "preflight-main")
    (tmp_path / "answers.yml").write_text(
        f"project_name: other\nexample: 'no'\noutput_dir: {folder}\n"
        "repo_name: other-folder\npython_package: other\n"
    )
    calls = {
        "a/b/relative": (f"{os.pardir}/{os.pardir}/{near.name}", folder),
        "a/b/absolute": (str(near), folder),
        "preflight-main/inside": (".", near),
        "below": (near.name, tmp_path),
        "a/b/other-folder": (f"./{near.name}", tmp_path),
    }
    for made, (source, cwd) in calls.items():
        named = ["--config=answers.yml"] if "other" in made else ["--name", Path(made).name]
        done = new(source, *named, answers="no\n", cwd=cwd)
        assert done.returncode == 0, (made, done.stderr)
        assert (tmp_path / made / "pyproject.toml").exists()
        assert not list((tmp_path / made).glob(".starter"))
        assert not (tmp_path / made / "preflight-main").exists()


@pytest.mark.parametrize("name", ["Ab", "Late Parcels", "A Rather Long Name Of It"])
@pytest.mark.parametrize("example", ["yes", "no"])
def test_it_is_as_ruff_wants_it_whatever_it_is_named(
    starter: Path, new: Callable[..., Made], tmp_path: Path, name: str, example: str
) -> None:
    assert new(starter, "--name", name, answers=f"{example}\n").returncode == 0
    for command in (LINT, FORMATTED):
        works(command, tmp_path / name.lower().replace(" ", "-"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pandas", "a library that the project uses"),
        ("json", "standard library"),
        ("Tests", "the name of a folder"),
        ("Späte Pakete", "letters (a to z)"),
        ("2 late", "begin with a letter"),
        ("class", "Python keyword"),
    ],
)
def test_a_name_that_can_not_be_is_refused_and_nothing_is_left(
    starter: Path, new: Callable[..., Made], tmp_path: Path, name: str, words: str
) -> None:
    done = new(starter, "--name", name, answers="\n")
    assert done.returncode != 0
    assert words in done.stderr + done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [".telemetry"]


def test_without_the_example_the_smallest_problem_stands_in_its_place_and_runs(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    done = new(starter, "--name", "Broken Parcels", answers="no\n")
    assert done.returncode == 0, done.stderr
    project = tmp_path / "broken-parcels"
    ours = [
        text
        for name, text in text_of(project).items()
        if name.startswith(("src", "conf")) and re.search(r"\.(py|yml|j2)$", name)
    ]
    words = re.compile(r"flights|airport|carrier|aircraft", re.I)
    assert [found for text in ours for found in words.findall(text)] == []
    assert (project / "docs/leakage.md").read_text().count("The example on this page") == 1
    kedro = ["kedro", "run", "--params", "modeling.search.trials=3"]
    for command in (LINT, FORMATTED, TYPES, kedro, ["pytest"]):
        works(command, project)
    assert list(project.glob("data/08_reporting/verdict.json/*/verdict.json"))


FRAMING = "conf/base/parameters/framing.yml"
SPLIT = "    validation_from: 2024-05-15T00:00:00+02:00"
FEATURES, STAGE = "src/own/contracts/features.py", "src/own/pipelines/feature_engineering"
OF_THE_ORDER = 'parcels[["place", "weight"]]'
FIT = "src/own/pipelines/modeling/pipeline.py"
MISTAKES = {  # of an owner: the file, what stands there, what takes its place; and the test
    "a feature that has no contract": (
        f"{STAGE}/nodes.py",
        OF_THE_ORDER,
        f"{OF_THE_ORDER}.assign(old=0.0)",
        "test_run",
    ),
    "features without a contract": (
        "conf/base/catalog/feature_engineering.yml",
        "  validator: {class: own.contracts.features.Features, skip_load_after_save: true}\n",
        "",
        "test_conf",
    ),
    "a contract that allows everything": (
        FEATURES,
        '    weight: Float32 = column("with its packing", "kg", gt=0, le=100, group="order")',
        '    weight: Float32 = column("with its packing", group="order")',
        "test_contracts",
    ),
    "a parameter that nothing uses": (
        "conf/base/parameters/modeling.yml",
        "modeling:\n",
        "spare: 1 # of nothing\nmodeling:\n",
        "test_conf",
    ),
    "a setting that does not exist": (FRAMING, SPLIT, f"    spare: 1 # a\n{SPLIT}", "test_conf"),
    "a split out of order": (FRAMING, SPLIT, SPLIT.replace("05-15", "08-15"), "test_conf"),
    "a graph in which test reaches modeling": (
        FIT,
        '["train", "validation", "split_summary"',
        '["train", "test", "split_summary"',
        "test_graph",
    ),
}


@pytest.fixture(scope="module")
def own(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, without the example."""
    folder = tmp_path_factory.mktemp("own")
    (folder / ".telemetry").write_text("consent: false")
    command = [sys.executable, "-m", "kedro", "new", f"--starter={starter}", "--name", "Own"]
    environment = os.environ | {"DO_NOT_TRACK": "1", "PWD": str(folder)}
    subprocess.run(command, cwd=folder, input="no\n", text=True, check=True, env=environment)
    return folder / "own"


def own_tests(project: Path) -> Made:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=False, env=alone
    )


def edit(project: Path, name: str, old: str, new: str) -> None:
    text = (project / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, (name, old)
    (project / name).write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_owners_mistake_is_red_in_the_tests_that_a_new_project_has(
    own: Path, tmp_path: Path, mistake: str
) -> None:
    project = Path(shutil.copytree(own, tmp_path / "own"))
    *change, found_by = MISTAKES[mistake]
    edit(project, *change)
    done = own_tests(project)
    assert done.returncode == 1, done.stdout
    assert f"/{found_by}.py::" in done.stdout


def test_changes_that_an_owner_may_make_stay_green(own: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(own, tmp_path / "own"))
    assert "    fn: 15 # broken" in (project / FRAMING).read_text()
    edit(project, FRAMING, "    fn: 15 # broken", "    fn: 20 # broken, and sent again")
    edit(project, FRAMING, SPLIT, SPLIT.replace("05-15", "05-01"))
    edit(
        project,
        f"{STAGE}/nodes.py",
        f'{OF_THE_ORDER}.assign(glass=parcels["glass"].astype("float32"))',
        f"""{OF_THE_ORDER}.assign(
        glass=parcels["glass"].astype("float32"),
        heavy=(parcels["weight"] > 20).astype("float32"),
    )""",
    )
    edit(
        project,
        FEATURES,
        '    glass: Float32 = column("1: there is glass in it", isin=[0, 1], group="order")\n',
        '    glass: Float32 = column("1: there is glass in it", isin=[0, 1], group="order")\n'
        '    heavy: Float32 = column("1: above 20 kg", isin=[0, 1], group="order")\n',
    )
    done = own_tests(project)
    assert done.returncode == 0, done.stdout


IN_MAKE = {"run": "run", "accept": "accept-data", "contract": "contract"}
AMOUNT = re.compile(r"[$€][\d,.]*\d")


def follow(page: Any, starter: Path, new: Callable[..., Made], folder: Path) -> tuple[Path, str]:
    """Do what a page says, block by block; return the project, and all that its commands wrote.

    A block of text has to be in what the command before it wrote; its dots stand for what is not
    shown. The targets of make are given as the commands that they call, without a new .venv.
    """
    project, output, all_output = folder, "", ""
    for kind, title, text in page.blocks:
        if kind == "text":
            for part in re.split(r"\s*…\s*|\n", text.strip()):
                assert part.strip() in output, (part, output)
        elif kind != "bash":
            page.write(project / title, kind, text)
        else:
            for line in text.replace("../preflight", str(starter)).splitlines():
                program, *words = shlex.split(line, comments=True)
                if (program, *words[:1]) == ("kedro", "new"):
                    assert new(starter, *words[2:], answers="no\n").returncode == 0
                elif program == "cd":
                    project = project / words[0]
                    delete_parcels(project, page.text)
                elif program != "pip":
                    output = give(program, words, project)
                    all_output += output
    return project, all_output


def delete_parcels(project: Path, page: str) -> None:
    """Delete what a page names in its sentence on that."""
    (sentence,) = re.findall(r"Delete [^.]*?the file [\s\S]*?`\.", page)
    for name in re.findall(r"`(\S+)`", sentence):
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def give(program: str, words: list[str], project: Path) -> str:
    """Return what a command of a page writes; only an audit may stop it."""
    if program == "make":
        words = [word for one in words for word in shlex.split(re.sub(r"^[A-Z]+=", "", one))]
        program, words = "python", ["-m", "kedro", IN_MAKE[words[0]], *words[1:]]
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    command = {"python": [sys.executable], "git": git}[program]
    done = subprocess.run(
        [*command, *words], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "The audit stops the run" in done.stderr, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["tutorial", "yours"])
def test_a_page_on_your_data_leads_to_its_verdict_if_it_is_followed_to_the_letter(
    starter: Path, new: Callable[..., Made], tmp_path: Path, page: Any, name: str
) -> None:
    project, output = follow(page(name), starter, new, tmp_path)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    numstat = ["git", "diff", "--cached", "--numstat", "--", ".", ":!*.csv", ":!*.json*"]
    counted = subprocess.run(numstat, cwd=project, capture_output=True, text=True, check=True)
    assert sum(int(line.split()[0]) for line in counted.stdout.splitlines()) < 100
    costs = {"$1", "$3", "€40", "€120"}
    assert set(AMOUNT.findall(page(name).text)) <= set(AMOUNT.findall(output)) | costs
    assert len(list(project.glob("data/08_reporting/report.html/*/report.html"))) > 0
    for command in (LINT, FORMATTED, TYPES, ["pytest"]):
        works(command, project)
    works(["kedro", "viz", "build"], project)  # it calls no hook, so models are not filled in
    assert (project / "build/api/main").is_file()


# What is edited, besides the line of the stage in the registry, when `kedro pipeline delete` has
# deleted a stage.
REPORTING = "src/bare/pipelines/reporting/pipeline.py"
EDITS = {
    "diagnosis": (REPORTING, r"(DIAGNOSIS: list\[str\]) = \[.*?\]", r"\1 = []"),
    "reporting": (
        "src/bare/pipelines/diagnosis/pipeline.py",
        r"reporting\.figure\(.*?\),|, reporting",
        "",
    ),
}


ALONE = ["diagnosis", "reporting", "deployment", "inference", "refit", "experiment_readout"]
TOGETHER = {
    "monitoring": ["monitoring", "production_replay"],
    "experiment_design": ["experiment_design", "experiment_readout"],
}


@pytest.mark.parametrize("stage", [*ALONE, *TOGETHER])
def test_a_stage_is_left_out_by_kedros_own_command_and_a_line_or_two(
    starter: Path, new: Callable[..., Made], tmp_path: Path, stage: str
) -> None:
    assert new(starter, "--name", "Bare", answers="no\n").returncode == 0
    project = tmp_path / "bare"
    registry = project / "src/bare/pipeline_registry.py"
    for one in TOGETHER.get(stage, [stage]):
        works(["kedro", "pipeline", "delete", one, "-y"], project)
        registry.write_text(
            re.sub(rf"(?m)^    {one},\n|\b{one}, |, {one}\b", "", registry.read_text())
        )
    if stage in EDITS:
        name, old, instead = EDITS[stage]
        edited = re.sub(old, instead, (project / name).read_text(), flags=re.S)
        (project / name).write_text(edited)
    if stage == "reporting":  # what only the report quotes
        (project / "conf/base/parameters/about.yml").unlink()
    works(["ruff", "check", "--fix"], project)
    works(["ruff", "format"], project)
    settings = "modeling.search.trials=0,evaluation.replicates=200,audit.moments=5"
    for command in (TYPES, ["kedro", "run", "--params", settings], ["pytest"]):
        works(command, project)
    assert list(project.glob("data/08_reporting/verdict.json/*/verdict.json"))


def test_an_answer_in_a_file_that_is_none_is_refused(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    given = {"project_name": "Late", "example": "perhaps"}
    given |= {"repo_name": "late", "python_package": "late"}
    lines = [f"{key}: '{answer}'\n" for key, answer in given.items()]
    (tmp_path / "answers.yml").write_text("".join(lines))
    done = new(starter, "--config=answers.yml")
    assert done.returncode != 0
    assert "yes or no" in done.stdout + done.stderr
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize(("said", "flights"), [("yes", True), ("no", False)])
def test_yes_and_no_need_no_quotes_in_a_file_of_answers(
    starter: Path, new: Callable[..., Made], tmp_path: Path, said: str, flights: bool
) -> None:
    (tmp_path / "answers.yml").write_text(
        f"project_name: Late\nexample: {said}\nrepo_name: late\npython_package: late\n"
    )
    done = new(starter, "--config=answers.yml")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "late/data/01_raw/flights.csv.zip").exists() == flights


def test_from_a_clean_machine_to_a_decision(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    assert new(starter, "--name", "Late Parcels", answers="yes\n").returncode == 0
    project = tmp_path / "late-parcels"
    settings = "modeling.search.trials=0,evaluation.replicates=200,audit.moments=5"
    done = subprocess.run(
        ["make", "run", f"PYTHON={sys.executable}", f"ARGS=--params {settings}"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^Verdict   WHAT-IF, .*It would be (DO NOT )?SHIP", done.stderr, flags=re.MULTILINE
    )
    assert list(project.glob("data/08_reporting/report.html/*/report.html"))


def test_two_projects_in_one_environment_have_each_their_own_engine(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    for name, release in (("One", "1.1.1"), ("Two", "2.2.2")):
        assert new(starter, "--name", name, answers="no\n").returncode == 0
        engine = tmp_path / name.lower() / "src/preflight/__init__.py"
        text = re.sub('__version__ = ".*"', f'__version__ = "{release}"', engine.read_text())
        engine.write_text(text)
        wheel = ["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path / "dist")]
        works([*wheel, str(tmp_path / name.lower())], tmp_path)
    wheels = [str(path) for path in (tmp_path / "dist").glob("*.whl")]
    assert len(wheels) == 2
    site = tmp_path / "site"
    works(["pip", "install", "--quiet", "--no-deps", "--target", str(site), *wheels], tmp_path)
    assert not (site / "preflight").exists()
    for package, release in (("one", "1.1.1"), ("two", "2.2.2")):
        code = f"import {package}.settings, preflight; print(preflight.__version__)"
        told = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": str(site)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.split()[-1] == release


def test_the_wheel_that_kedro_makes_runs_with_conf_and_data_alone(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    assert new(starter, "--name", "Packed", answers="no\n").returncode == 0
    project, site, place = tmp_path / "packed", tmp_path / "site", tmp_path / "place"
    works(["kedro", "package"], project)
    (wheel,) = (project / "dist").glob("*.whl")
    works(["pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], tmp_path)
    place.mkdir()
    shutil.copy(tmp_path / ".telemetry", place)
    shutil.unpack_archive(project / "dist/conf-packed.tar.gz", place, filter="data")
    shutil.copytree(project / "data/01_raw", place / "data/01_raw")
    shutil.rmtree(project)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "packed", "--pipelines=data_engineering,feature_engineering"],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(place.glob("data/*/train.parquet/*/train.parquet"))


def test_the_rules_for_coding_assistants_name_what_a_new_project_has(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    assert new(starter, "--name", "Late Parcels", answers="no\n").returncode == 0
    project = tmp_path / "late-parcels"
    text = (project / "AGENTS.md").read_text()
    assert "src/late_parcels/contracts/features.py" in text
    named = {path for path in re.findall(r"`([\w./]+/[\w.]+)`", text) if path != LEDGER}
    assert len(named) > 15
    assert [path for path in sorted(named) if not (project / path).exists()] == []


def test_a_new_project_records_what_it_was_made_from_and_says_what_to_do_next(
    starter: Path, new: Callable[..., Made], tmp_path: Path
) -> None:
    done = new(starter, "--name", "Late Parcels", answers="no\n")
    assert "cd late-parcels\n  make run" in done.stdout
    record = json.loads((tmp_path / "late-parcels/.preflight.json").read_text())
    assert record["source"] is None  # a folder of this machine
    assert record["release"] == preflight.__version__  # this starter has no history
    assert record["answers"] == {
        "project_name": "Late Parcels",
        "repo_name": "late-parcels",
        "python_package": "late_parcels",
        "example": "no",
    }
