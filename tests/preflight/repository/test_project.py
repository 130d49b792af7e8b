"""What holds of the project as a whole: licence, privacy, lock files, what git keeps."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import preflight
from preflight.runs.manifest import LEDGER

PROJECT = Path(__file__).parents[3]
HEAVY = ["tracking", "docs"]  # extras that are not in the lock of dev
# extras with a lock of their own, if their part is there
APART = [one for one in (*HEAVY, "serving") if (PROJECT / f"requirements/{one}.lock").exists()]
LOCKS = ["requirements/core.lock", *(f"requirements/{one}.lock" for one in ["dev", *APART])]


def project_table() -> dict:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def locked(text: str) -> list[str]:
    """The requirements of a lock file, one a line, with their hashes."""
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()


def without_hashes(requirements: list[str]) -> list[str]:
    return [requirement.split(" --hash")[0] for requirement in requirements]


def not_pinned(text: str) -> list[str]:
    pinned = re.compile(r"[\w.-]+==[\w.!+]+( ;[^#]*?)?( --hash=sha256:[0-9a-f]{64})+")
    return [line for line in locked(text) if not pinned.fullmatch(line)]


def places(text: str) -> list[str]:
    """Lines that tie the lock file to a host or to a folder of one machine."""
    return re.findall(r".*(?:://|^-|^\s*#.*(?:^|\s)[/~]\w).*", text, flags=re.MULTILINE)


def unsatisfied(dependencies: list[str], text: str) -> list[str]:
    pins = [Requirement(pin) for pin in without_hashes(locked(text))]
    versions: dict[str, list[str]] = {}
    for pin in pins:
        versions.setdefault(canonicalize_name(pin.name), []).append(str(pin.specifier)[2:])
    return [
        dependency
        for dependency in dependencies
        for wanted in [Requirement(dependency)]
        for found in [versions.get(canonicalize_name(wanted.name), [])]
        if not found or not all(map(wanted.specifier.contains, found))
    ]


def test_licence_is_the_one_that_the_project_declares() -> None:
    assert project_table()["license"] == "Apache-2.0"
    title = " ".join((PROJECT / "LICENSE").read_text().split()[:6])
    assert title == "Apache License Version 2.0, January 2004"


def test_telemetry_is_refused() -> None:
    assert (PROJECT / ".telemetry").read_text().strip() == "consent: false"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_everything_with_hashes_and_names_no_place(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    assert len(locked(text)) > 50
    assert not_pinned(text) == []
    assert places(text) == []


def test_what_is_not_pinned_or_names_a_place_is_found() -> None:
    pin = f"click==8.5.1 \\\n    --hash=sha256:{'0' * 64}\n    # via kedro\n"
    assert not_pinned(pin) == places(pin) == []
    assert not_pinned(pin + "kedro==1.7.0\n") == ["kedro==1.7.0"]
    assert not_pinned(pin.replace("==", ">=")) != []
    for line in [
        "--index-url https://example.org/python\n",
        "-e .\n",
        "kedro @ file:///srv/kedro.whl\n",
        "    # via -c /srv/requirements.lock\n",
    ]:
        assert places(pin + line) == [line.rstrip()]


# parts that need an extra: everything else has to run with the core alone
EXTRAS = {
    "preflight/serving": "serving",
    "preflight/cluster.py": "cluster",
    "preflight/experiments/analysis.py": "experiments",
}


def imported(code: str) -> Iterator[str]:
    """Yield the top modules of a file's imports that are neither Python's own nor the project's."""
    own = {path.name for path in (PROJECT / "src").iterdir()}
    for node in ast.walk(ast.parse(code)):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
        tops = {name.split(".")[0] for name in names}
        yield from tops - own - sys.stdlib_module_names


installed = cache(packages_distributions)  # it reads the metadata of all packages


def undeclared(file: str, code: str) -> set[str]:
    """The packages that a file under src imports and pyproject.toml does not declare for it."""
    table = project_table()
    extras = [extra for part, extra in EXTRAS.items() if file.startswith(part)]
    declared = [*table["dependencies"]]
    declared += [one for extra in extras for one in table["optional-dependencies"][extra]]
    names = {canonicalize_name(Requirement(one).name) for one in declared}
    packages = installed()
    return {
        canonicalize_name(name)
        for module in imported(code)
        for name in packages.get(module, [module])
        if canonicalize_name(name) not in names
    }


def test_every_package_that_the_code_imports_is_declared() -> None:
    source = PROJECT / "src"
    found = {
        f"{path.relative_to(source)}: {name}"
        for path in source.rglob("*.py")
        for name in undeclared(path.relative_to(source).as_posix(), path.read_text("utf-8"))
    }
    assert found == set()


def test_an_import_that_is_not_declared_is_found() -> None:
    assert (
        undeclared("preflight/files.py", "import numpy, os\nfrom preflight import errors") == set()
    )
    code = "def f():\n    import duckdb\n    from starlette.types import Scope\n"
    assert undeclared("preflight/files.py", code) == {"duckdb", "starlette"}
    assert undeclared("preflight/serving/app.py", code) == {"duckdb"}


def test_locks_satisfy_the_declared_dependencies() -> None:
    core, dev, *apart = ((PROJECT / lock).read_text() for lock in LOCKS)
    declared = project_table()
    extras = declared["optional-dependencies"]
    assert unsatisfied(declared["dependencies"], core) == []
    for extra, lock in zip(APART, apart, strict=True):
        assert unsatisfied(declared["dependencies"] + extras[extra], lock) == []
    others = [one for extra, named in extras.items() if extra not in HEAVY for one in named]
    assert unsatisfied(declared["dependencies"] + others, dev) == []


def test_missing_or_outdated_pins_are_found() -> None:
    text = f"click==8.5.1 ; sys_platform == 'linux' --hash=sha256:{'0' * 64}\n"
    assert unsatisfied(["click~=8.0"], text) == []
    assert unsatisfied(["click<8", "kedro"], text) == ["click<8", "kedro"]


def test_all_locks_pin_the_same_versions() -> None:
    core, *others = (without_hashes(locked((PROJECT / lock).read_text())) for lock in LOCKS)
    assert all(set(core) <= set(other) for other in others)


def git(folder: Path, *arguments: str) -> list[str]:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_git_ignores_what_is_made_and_private_and_keeps_what_a_run_needs(tmp_path: Path) -> None:
    made = [".venv/pyvenv.cfg", "data/03_primary/flights.parquet", "conf/local/credentials.yml"]
    kept = [
        "conf/local/.gitkeep",
        "data/01_raw/flights.csv.zip",
        ".telemetry",
        "conf/base/a.yml",
        LEDGER,
    ]
    for name in made + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text((PROJECT / ".gitignore").read_text())
    git(tmp_path, "init", "--quiet")
    untracked = git(tmp_path, "ls-files", "--others", "--exclude-standard")
    assert sorted(untracked) == sorted([*kept, ".gitignore"])


def test_kedro_finds_its_local_environment_in_a_clean_checkout() -> None:
    assert (PROJECT / "conf/local/.gitkeep").exists()  # git keeps no empty folder


def test_git_has_no_data_but_the_raw() -> None:
    others = [
        name
        for name in (git(PROJECT, "ls-files", "data") if (PROJECT / ".git").exists() else [])
        if not name.startswith("data/01_raw/") and not name.endswith(".gitkeep") and name != LEDGER
    ]
    assert others == []


def test_git_keeps_the_test_evaluations_of_both_branches_that_are_merged(tmp_path: Path) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    ledger = tmp_path / LEDGER
    ledger.parent.mkdir()
    ledger.write_text("first\n")
    (tmp_path / ".gitattributes").write_text((PROJECT / ".gitattributes").read_text())
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for branch in ("main", "a", "b"):
        if branch != "main":
            git(tmp_path, "checkout", "--quiet", "-b", branch, "main")
            ledger.write_text(f"first\n{branch}\n")
        git(tmp_path, "add", ".")
        git(tmp_path, *who, "commit", "--quiet", "-m", branch)
    git(tmp_path, *who, "merge", "--quiet", "--no-edit", "a")
    assert ledger.read_text().splitlines() == ["first", "b", "a"]


def test_files_that_the_checklist_takes_for_evidence_are_there() -> None:
    text = (PROJECT / "conf/base/parameters/reporting.yml").read_text("utf-8")
    named = set(re.findall(r"\b(?:tests|docs|benchmarks)/[\w/]+\.\w+", text))
    assert len(named) >= 5
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []


def not_pinned_actions(text: str) -> list[str]:
    """The actions of a workflow without a commit's hash and the version as a comment."""
    pinned = re.compile(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    used = re.findall(r"\buses: *(.+)", text)
    return [one for one in used if not one.startswith("./") and not pinned.fullmatch(one)]


def test_actions_of_workflows_are_pinned_by_hash_and_kept_up_to_date() -> None:
    texts = [path.read_text() for path in (PROJECT / ".github/workflows").glob("*.yml")]
    assert "uses: actions/checkout@" in "".join(texts)
    assert [one for text in texts for one in not_pinned_actions(text)] == []
    kept = (PROJECT / ".github/dependabot.yml").read_text()
    assert "package-ecosystem: github-actions" in kept


def test_an_action_that_is_not_pinned_is_found() -> None:
    good = f"actions/checkout@{'0a' * 20} # v4.2.2"
    bad = [
        "actions/checkout@v4",
        f"actions/checkout@{'0a' * 20}",
        "actions/checkout@0a0a0a0 # v4.2.2",
    ]
    text = "".join(f"      - uses: {one}\n" for one in [good, "./local", *bad])
    assert not_pinned_actions(text) == bad


def test_a_wheel_has_all_files_of_the_engine() -> None:
    tool = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]
    engine = PROJECT / "src/preflight"
    patterns = tool["setuptools"]["package-data"]["*"]
    packed = {path for pattern in patterns for path in engine.glob(pattern)}
    others = {path for path in engine.rglob("*.*") if path.suffix not in {".py", ".pyc"}}
    assert others
    assert sorted(path.name for path in others - packed) == []


def test_the_changelog_begins_with_the_version_of_the_engine() -> None:
    text = (PROJECT / "src/preflight/CHANGELOG.md").read_text()
    assert re.findall(r"(?m)^## (.+)$", text)[0] == preflight.__version__
