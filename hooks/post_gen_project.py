"""Makes a new project of this one: its files, under a new name, and without what is the starter's.

Nothing of them passes through the template engine, so that a brace stays a brace.
"""

import contextlib
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

NAME = "{{ cookiecutter.project_name }}".strip()
PACKAGE = "{{ cookiecutter.python_package }}"
EXAMPLE = "{{ cookiecutter.example }}".strip().lower() in {"yes", "y", "true", "1"}
WITHOUT = set(re.findall("[a-z]+", "{{ cookiecutter.without }}".lower())) - {"nothing"}
STARTER = Path(Path(".starter").read_text(encoding="utf-8"))  # from pre_gen_project.py
BLANK = STARTER / "hooks/blank"
PROJECT = Path.cwd().resolve()

OWN = (
    "cookiecutter.json",
    "prompts.yml",
    "hooks",
    "{" + "{",
    "tests/test_starter.py",
    "README.md",
    "docs/images/report.png",
    "docs/why-not.md",  # for whoever chooses a template
    "docs/comparison.md",
)
FOR_WHO_CHOOSES = re.compile(r"^  - Is it for you\?:\n(      .*\n)+", re.MULTILINE)  # in mkdocs.yml
MADE = re.compile(
    r"(^|/)(\.git|\.venv|\.viz|site|build|__pycache__|\.\w+_cache|\.hypothesis|[^/]+\.egg-info)(/|$)"
    r"|^data/0[2-8]_\w+/(?!\.gitkeep)|^data/mlflow|^conf/local/(?!\.gitkeep)"
)
SECTIONS = ["Where things are"]
if EXAMPLE:
    SECTIONS += ["How it flows", "When something is wrong"]
# What speaks of the example alone; its tests among it.
OF_THE_EXAMPLE = [
    "data/01_raw",
    "src/preflight/contracts/raw.py",
    "src/preflight/contracts/primary.py",
    "src/preflight/contracts/features.py",
    "src/preflight/pipelines/data_engineering/nodes.py",
    "src/preflight/pipelines/feature_engineering/nodes.py",
    "tests/pipelines/data_engineering",
    "tests/pipelines/feature_engineering",
    "tests/pipelines/audit/test_replay.py",
    "tests/pipelines/inference",
    "tests/serving",
    "tests/test_benchmarks.py",
    "tests/test_leakage.py",
    "tests/test_point_in_time.py",
    "tests/test_prediction_log.py",
    "tests/test_run.py",
    "tests/test_service_benchmark.py",
]
OF_ANY_PROJECT = {"__init__.py", "measure.py", "service.py"}  # benchmarks: make bench-service
CHANGED = {
    "conf/base/parameters/modeling.yml": {
        r"keys: \[.*?\]": "keys: [place, glass]",
        r"(?s)( +)conditions:.*?(?=\n    \w)": r"\1conditions: # the first that holds decides\n"
        r"\1  - glass == 1 and weight > 5\n\1  - broken_share > 0.3",
        r"start: .*?, until: .*?\}": "start: 2024-04-01T00:00:00+02:00, until: "
        "2024-05-15T00:00:00+02:00}",
    },
}
WORDS_OF_THE_EXAMPLE = re.compile(r"\bflights?\b|airport|carrier|aircraft|weather", re.IGNORECASE)
WORKED_EXAMPLE = (
    "> The example on this page is that of the template: flights from New York, a decision two "
    "hours before each. This project doesn't have them; the way is the same."
)
WORDS = {"preflight": PACKAGE, "Preflight": NAME, "PREFLIGHT": PACKAGE.upper()}
WORD = re.compile(r"(?<![A-Za-z0-9])(preflight|Preflight|PREFLIGHT)(?![A-Za-z0-9])")
LINE = 100  # of [tool.ruff]
README = """\
# {name}

```bash
make run     # from raw files to {end}
make test    # its tests
make help    # everything else
```

What is decided, and what it costs, stands in `conf/base/parameters/framing.yml`. Begin there, and \
with the tables in `src/{package}/contracts/`; say here, in a line, what the problem is and whose.

{sections}
Made from {credit}.
"""
CREDIT = "the Kedro template Pre" + "flight, under the Apache license"  # not renamed


def files() -> list[str]:
    """Return the files to copy: those that git tracks, or without git all that nobody made."""
    if (STARTER / ".git").exists():
        listed = subprocess.run(
            ["git", "-C", str(STARTER), "ls-files", "-z"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        ).stdout.split("\0")
        found = [name for name in listed if name and (STARTER / name).is_file()]
    else:
        walked = (path for path in STARTER.rglob("*") if path.is_file())
        found = [path.relative_to(STARTER).as_posix() for path in walked]
        found = [name for name in found if not (STARTER / name).is_relative_to(PROJECT)]
    return [name for name in found if not MADE.search(name) and not name.startswith(OWN)]


def renamed(text: str) -> str:
    """Return the text with the new name for the old one, wherever it stands as a word."""
    return WORD.sub(lambda found: WORDS[found[0]], text)


def wrapped(text: str) -> str:
    """Return the code with imports that are too long now as ruff writes them."""

    def lines(found: re.Match[str]) -> str:
        if len(found[0]) <= LINE:
            return found[0]
        names = "".join(f"{found[1]}    {name},\n" for name in found[3].split(", "))
        return f"{found[1]}{found[2]}(\n{names}{found[1]})"

    return re.sub(rf"(?m)^( *)(from {PACKAGE}\S* import )([^(\n]+)$", lines, text)


def copy(name: str, origin: Path = STARTER) -> None:
    """Copy a file; what is text is renamed, what is not stays as it is."""
    source, target = origin / name, PROJECT / renamed(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    with contextlib.suppress(UnicodeDecodeError):
        text = renamed(content.decode("utf-8"))
        content = (wrapped(text) if name.endswith(".py") else text).encode("utf-8")
    target.write_bytes(content)
    shutil.copymode(source, target)


def readme() -> str:
    """Return the new project's README: how it begins, and what of ours is true of it as well."""
    text = (STARTER / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = [part for part in parts if part.startswith(tuple(f"## {title}" for title in SECTIONS))]
    sections = renamed("".join(kept))
    end = "a decision" if "reporting" in WITHOUT else "a decision and a report"
    return README.format(name=NAME, package=PACKAGE, end=end, sections=sections, credit=CREDIT)


def blank() -> None:
    """Put the smallest problem there is in the place of the example."""
    for name in OF_THE_EXAMPLE:
        path = PROJECT / renamed(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (PROJECT / "benchmarks").iterdir():
        if path.name not in OF_ANY_PROJECT:
            path.unlink()
    for path in sorted(BLANK.rglob("*.*")):
        copy(path.relative_to(BLANK).as_posix(), BLANK)
    for path in (PROJECT / "docs").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        if WORDS_OF_THE_EXAMPLE.search(text):
            path.write_text(text.replace("\n\n", f"\n\n{WORKED_EXAMPLE}\n\n", 1), encoding="utf-8")
    maker = PROJECT / "make_parcels.py"
    runpy.run_path(str(maker))["write"](PROJECT / "data/01_raw/parcels.csv")
    maker.unlink()
    for name, changes in CHANGED.items():
        path = PROJECT / name
        text = path.read_text(encoding="utf-8")
        for old, new in changes.items():
            if not re.search(old, text):
                sys.exit(f"The starter is not in order: {name} has no {old!r}.")
            text = re.sub(old, new, text, count=1)
        path.write_text(text, encoding="utf-8")


def leave_out() -> None:
    """Delete the parts that nobody wants, by the list in docs/parts.md, and what tells of them."""
    listed = (STARTER / "docs/parts.md").read_text(encoding="utf-8")
    for parts, paths in re.findall(r"^\| (`.*?) \|.*\| (`.*) \|$", listed, flags=re.MULTILINE):
        if set(re.findall(r"\w+", parts)) <= WITHOUT:
            for path in (PROJECT / renamed(name) for name in re.findall("`(.+?)`", paths)):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in [*PROJECT.rglob("*.md"), *PROJECT.rglob("*.yml")] if WITHOUT else ():
        if path.parent.name == "docs" and path.stem in WITHOUT:
            path.unlink(missing_ok=True)
        else:
            path.write_text(unsaid(path.read_text(encoding="utf-8")), encoding="utf-8")


def unsaid(text: str) -> str:
    """Return a text without the links, lines and commands that tell of parts that are left out."""
    parts = "|".join(WITHOUT)
    pages = rf"(?:docs/)?(?:{parts})\.md" + (r"|docs/\S*?" if "docs" in WITHOUT else "")
    for told, instead in {
        rf"\[([^]]+)\]\((?:{pages})(?:#.*?)?\)": r"\1",
        rf"(?m)^ +- .*: ({parts})\.md\n": "",  # in the navigation
        rf"(?m)^\| `({parts})` \|.*\n(\| \| .*\n)*": "",  # of a table, with those that go on
        rf"(?m)^( *({parts})/|[a-z, ]+ ─ ({parts}) ─).*\n": "",
        rf"(,| ─ )({parts})\b": "",
    }.items():
        text = re.sub(told, instead, text)
    return text


for stub in PROJECT.iterdir():
    stub.unlink()
for one in files():
    copy(one)
if not EXAMPLE:
    blank()
site = PROJECT / "mkdocs.yml"
site.write_text(FOR_WHO_CHOOSES.sub("", site.read_text(encoding="utf-8")), encoding="utf-8")
(PROJECT / "README.md").write_text(readme(), encoding="utf-8")
leave_out()
