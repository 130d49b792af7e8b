"""A project of version 1 of this template takes version 2, with what its owner changed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
Done = subprocess.CompletedProcess[str]
MODELING, FRAMING = "conf/base/parameters/modeling.yml", "conf/base/parameters/framing.yml"
NODES = "src/own/pipelines/feature_engineering/nodes.py"
REGISTRY = "src/own/pipeline_registry.py"
VERSION = "src/preflight/__init__.py"


def call(folder: Path, *command: str) -> Done:
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DO_NOT_TRACK": "1", "PWD": str(folder)},
    )


def git(folder: Path, *arguments: str) -> str:
    done = call(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kedro(folder: Path, *arguments: str) -> Done:
    return call(folder, sys.executable, "-m", "kedro", *arguments)


def commit(folder: Path, *tag: str) -> None:
    git(folder, "add", "--all", ".")
    git(folder, "commit", "-qm", "all")
    for name in tag:
        git(folder, "tag", name)


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, (name, old)
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def plant_second_version(starter: Path) -> None:
    """A fault mended in the engine, a file that comes, one that goes, a parameter renamed."""
    version = re.findall('__version__ = "(.+)"', (starter / VERSION).read_text())[0]
    edit(starter, VERSION, f'"{version}"', '"99.0.0"')
    (starter / "src/preflight/cli/more.py").write_text('"""What version 2 adds."""\n')
    (starter / "docs/scale.md").unlink()
    edit(starter, "mkdocs.yml", "      - Large tables: scale.md\n", "")
    (starter / "docs/more.md").write_text("# In late_flights\n")
    edit(starter, f"hooks/blank/{MODELING}", "    trials:", "    attempts:")
    edit(starter, "Makefile", "run: $(CORE) ## set up, then run", "run: $(CORE) ## make, then run")
    edit(
        starter,
        "src/late_flights/pipelines/diagnosis/pipeline.py",
        "        ],\n        namespace",
        "            # more\n        ],\n        namespace",
    )


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as it stands, tagged as version 1; its next commit is version 2."""
    folder = tmp_path_factory.mktemp("starter") / "preflight"
    for name in git(PROJECT, "ls-files", "-z", "-co", "--exclude-standard").split("\0"):
        if name and (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    git(folder, "init", "-q")
    commit(folder, "v1")
    return folder


@pytest.fixture(scope="module")
def second(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("second") / "preflight"
    git(starter, "clone", "-q", str(starter), str(folder))
    plant_second_version(folder)
    commit(folder, "v2")
    return folder


def make(starter: str, folder: Path, *options: str) -> Path:
    """A project that its owner has changed, and committed."""
    answers = {"project_name": "Own", "repo_name": "own", "python_package": "own", "example": "no"}
    (folder / "answers.yml").write_text(json.dumps(answers))
    done = kedro(folder, "new", f"--starter={starter}", "--config=answers.yml", *options)
    assert done.returncode == 0, done.stderr
    project = folder / "own"
    edit(project, NODES, 'parcels[["place", "weight"]]', 'parcels[["weight", "place"]]')
    edit(project, FRAMING, "    fn: 15 # broken", "    fn: 20 # broken, and sent again")
    with (project / "Makefile").open("a") as file:
        file.write("\nmine: ## my own target\n\ttrue\n")
    git(project, "init", "-q")
    commit(project)
    return project


def leave_out_diagnosis(project: Path) -> None:
    """As docs/yours.md says."""
    assert kedro(project, "pipeline", "delete", "diagnosis", "-y").returncode == 0
    text = (project / REGISTRY).read_text()
    (project / REGISTRY).write_text(re.sub(r"(?m)^    diagnosis,\n|\bdiagnosis, ", "", text))
    reporting = project / "src/own/pipelines/reporting/pipeline.py"
    text = re.sub(r"(DIAGNOSIS\b[^=]*= )\[.*?\]", r"\1[]", reporting.read_text(), flags=re.S)
    reporting.write_text(text)


@pytest.mark.parametrize("how", ["folder", "URL", "folder without history"])
def test_a_changed_project_takes_version_2(
    starter: Path, second: Path, tmp_path: Path, how: str
) -> None:
    first, options = str(starter), []
    if how == "URL":
        first, options = f"git+file://{second}", ["--checkout=v1"]
    bare = [shutil.copytree(one, tmp_path / one.parent.name) for one in (starter, second)]
    for one in bare:
        shutil.rmtree(one / ".git")
    if how == "folder without history":
        first = str(bare[0])
    project = make(first, tmp_path, *options)
    leave_out_diagnosis(project)
    local = project / "conf/local/parameters.yml"
    local.write_text("modeling:\n  search: {trials: 3} # fewer\n")
    commit(project)
    source = {
        "folder": [str(second)],
        "URL": [f"git+file://{second}", "--checkout=v2"],
        "folder without history": [str(bare[1]), f"--base={bare[0]}"],
    }[how]
    done = kedro(project, "update", *source)
    assert done.returncode == 0, done.stdout + done.stderr
    for part in (
        r"Updated from version \d\S+( \(v1\))? to 99\.0\.0( \(v2\))?: \d+ files changed\.",
        r"template:\n  src/own/pipelines/diagnosis/pipeline\.py\n",
        r"\n  gone: modeling\.search\.trials\n  new: modeling\.search\.attempts\n",
        r"\n  conf/local/parameters\.yml still has modeling\.search\.trials\n",
    ):
        assert re.search(part, done.stdout), done.stdout
    kept = {NODES: '[["weight", "place"]]', FRAMING: "fn: 20 #", "Makefile": "mine: ## my own"}
    new = {MODELING: "    attempts:", "Makefile": "## make, then run", "docs/more.md": "# In own\n"}
    for name, text in [*kept.items(), *new.items()]:
        assert text in (project / name).read_text(), name
    assert not (project / "docs/scale.md").exists()
    assert not (project / "src/own/pipelines/diagnosis").exists()
    engines = [root / "src/preflight" for root in (project, second)]
    ours, theirs = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*") if path.is_file()}
        for root in engines
    )
    assert {name: ours[name] for name in theirs} == theirs
    record = json.loads((project / ".preflight.json").read_text())
    assert (record["release"], record["source"]) in [("v2", None), ("99.0.0", None)]
    commit(project)
    assert "Nothing to do" in kedro(project, "update", *source[:1], f"--base={second}").stdout


def test_what_can_not_be_updated_is_named_and_left_as_it_was(
    starter: Path, second: Path, tmp_path: Path
) -> None:
    project = make(str(starter), tmp_path)

    def refused(*arguments: str) -> str:
        before = git(project, "status", "--porcelain")
        done = kedro(project, "update", *arguments)
        assert done.returncode == 1
        assert git(project, "status", "--porcelain") == before
        return done.stderr

    assert "records no git URL" in refused()
    assert "git clone failed" in refused("https://localhost:1/nowhere")
    (project / "new.py").touch()
    assert "Commit them first" in refused(str(second))
    (project / "new.py").unlink()
    with (project / VERSION).open("a") as file:
        file.write("MINE = 1\n")
    commit(project)
    assert f"were edited:\n  {VERSION}\nMove" in refused(str(second))
    git(project, "revert", "--no-edit", "HEAD")
    bare = shutil.copytree(second, tmp_path / "bare", ignore=shutil.ignore_patterns(".git"))
    assert "has no git history with release v1" in refused(str(bare))


def test_a_conflict_is_listed_and_ends_the_command(
    starter: Path, second: Path, tmp_path: Path
) -> None:
    project = make(str(starter), tmp_path)
    text = (project / MODELING).read_text()
    (project / MODELING).write_text(re.sub(r"    trials: \d+", "    trials: 77", text))
    commit(project)
    done = kedro(project, "update", str(second))
    assert done.returncode == 1
    assert f"Conflicts:\n  {MODELING}\n" in done.stdout
    assert "Resolve the conflicts" in done.stderr
    assert re.search(
        r"<<<<<<< HEAD\n    trials: 77.*>>>>>>> ", (project / MODELING).read_text(), re.S
    )


def test_a_project_passes_its_tests_after_an_update(starter: Path, tmp_path: Path) -> None:
    second = tmp_path / "preflight"
    git(starter, "clone", "-q", str(starter), str(second))
    version = re.findall('__version__ = "(.+)"', (second / VERSION).read_text())[0]
    edit(second, VERSION, f'"{version}"', '"99.0.0"')
    project = make(str(starter), tmp_path)
    commands = ["update", f"FROM={second}", f"PY={sys.executable}", "CORE=", "DEV="]
    done = call(project, "make", *commands)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "to 99.0.0" in done.stdout
    assert re.search(r"\d+ passed|100%", done.stdout)
