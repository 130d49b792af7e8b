"""Makes a new project of this one: the engine as it is, the project under a new name.

What only the maintainers of the starter need is left out.

Nothing of them passes through the template engine, so that a brace stays a brace.
"""

import contextlib
import json
import re
import shutil
import subprocess
from pathlib import Path

NAME = "{{ cookiecutter.project_name }}".strip()
PACKAGE = "{{ cookiecutter.python_package }}"
SOURCE = r"{{ cookiecutter._template }}"
EXAMPLE = "{{ cookiecutter.example }}".strip().lower() in {"yes", "y", "true", "1"}
STARTER = Path(Path(".starter").read_text(encoding="utf-8"))  # from pre_gen_project.py
BLANK = STARTER / "hooks/blank"
PROJECT = Path.cwd().resolve()

ANSWERS = {
    "project_name": NAME,
    "repo_name": PROJECT.name,
    "python_package": PACKAGE,
    "example": "yes" if EXAMPLE else "no",
}
# For whoever chooses or maintains the template.
OWN = (
    "cookiecutter.json",
    "prompts.yml",
    "hooks",
    "{" + "{",
    "tests/preflight",
    "benchmarks/",
    ".github/workflows/nightly.yml",
    "README.md",
    "docs/images/report.png",
    "docs/images/report-sections.png",
    "docs/images/monitoring.png",
    "docs/choose.md",
    "docs/data/",
)
FOR_WHO_CHOOSES = re.compile(r"^  - Is it for you\?:\n(      .*\n)+", re.MULTILINE)  # in mkdocs.yml
MADE = re.compile(
    r"(^|/)(\.git|\.venv|\.viz|site|build|__pycache__|\.\w+_cache|\.hypothesis|[^/]+\.egg-info)(/|$)"
    r"|^data/0[2-8]_\w+/(?!\.gitkeep)|^data/mlflow|^data/test_evaluations|^conf/local/(?!\.gitkeep)"
)
# What is of the example alone: hooks/blank has the same for another problem.
OF_THE_EXAMPLE = [
    "data/01_raw",
    "src/late_flights/contracts/raw.py",
    "src/late_flights/contracts/primary.py",
    "src/late_flights/contracts/features.py",
    "src/late_flights/pipelines/data_engineering/nodes.py",
    "src/late_flights/pipelines/feature_engineering/nodes.py",
    "tests/pipelines/data_engineering",
    "tests/pipelines/feature_engineering",
]
WORDS_OF_THE_EXAMPLE = re.compile(r"\bflights?\b|airport|carrier|aircraft|weather", re.IGNORECASE)
WEATHER = re.compile(r"(?m)^(raw_)?weather:.*\n(  .*\n)*\n")
WORKED_EXAMPLE = (
    "> The example on this page is that of the template: flights from New York, a decision two "
    "hours before each. This project doesn't have them; the way is the same."
)
WORDS = {"late_flights": PACKAGE, "late-flights": PACKAGE.replace("_", "-"), "Late Flights": NAME}
WORD = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(WORDS)})(?![A-Za-z0-9])")
ENGINE = "src/preflight/"  # the same bytes in every project
# lines of docs/lineage.md
OF_MAINTAINERS = re.compile(r"(?m)^(benchmarks|hooks)/.*\n|; tests/preflight has .*$")
LINE = 100  # of [tool.ruff]
README = """\
# {name}

```bash
make run     # from raw files to a decision and a report
make test    # its tests
make help    # everything else
```

`conf/base/parameters/framing.yml` declares what is decided and what it costs. Begin there, and \
with the tables in `src/{package}/contracts/`. Then write here, in a line, what the problem is and \
whose.

- [Where things are, what to edit, and how data flow](docs/lineage.md)
- [Your data: from a table to a verdict](docs/tutorial.md)
- [A table without a clock](docs/yours.md)
- [All pages](docs/index.md): `make docs` builds them into `site/`.

Made from {credit}.
"""
CREDIT = "the Kedro template Preflight, under the Apache license"


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
    if name.startswith(ENGINE):
        target.write_bytes(content)
        return
    with contextlib.suppress(UnicodeDecodeError):
        text = renamed(content.decode("utf-8"))
        content = (wrapped(text) if name.endswith(".py") else text).encode("utf-8")
    target.write_bytes(content)
    shutil.copymode(source, target)


def blank() -> None:
    """Put the smallest problem there is in the place of the example."""
    for name in OF_THE_EXAMPLE:
        path = PROJECT / renamed(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted(path for path in BLANK.rglob("*") if path.is_file()):
        copy(path.relative_to(BLANK).as_posix(), BLANK)
    for path in PROJECT.glob("conf/*/catalog.yml"):  # the tables in partitions
        text = WEATHER.sub("", path.read_text(encoding="utf-8"))
        path.write_text(text.replace("flights", "parcels"), encoding="utf-8")
    for path in (PROJECT / "docs").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        if path.name != "tutorial.md" and WORDS_OF_THE_EXAMPLE.search(text):
            path.write_text(text.replace("\n\n", f"\n\n{WORKED_EXAMPLE}\n\n", 1), encoding="utf-8")


def release() -> str:
    """Return the release of the starter: its tag or commit, or its version if it has no history."""
    if (STARTER / ".git").exists():
        command = ["git", "-C", str(STARTER), "describe", "--tags", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    text = (STARTER / ENGINE / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'(?m)^__version__ = "(.+)"', text)[1]


def record() -> None:
    """Write into .preflight.json what the project was made from: an update begins with it."""
    source = SOURCE if re.match(r"(?!.*file:)([\w+]+://|[\w.-]+@)", SOURCE) else None  # no folder
    made = {"source": source, "release": release(), "answers": ANSWERS}
    (PROJECT / ".preflight.json").write_text(f"{json.dumps(made, indent=2)}\n", encoding="utf-8")


for stub in PROJECT.iterdir():
    stub.unlink()
for one in files():
    copy(one)
if not EXAMPLE:
    blank()
site = PROJECT / "mkdocs.yml"
site.write_text(FOR_WHO_CHOOSES.sub("", site.read_text(encoding="utf-8")), encoding="utf-8")
where = PROJECT / "docs/lineage.md"
where.write_text(OF_MAINTAINERS.sub("", where.read_text(encoding="utf-8")), encoding="utf-8")
readme = README.format(name=NAME, package=PACKAGE, credit=CREDIT)
(PROJECT / "README.md").write_text(readme, encoding="utf-8")
record()
print(f"\nNext:\n  cd {PROJECT.name}\n  make run\n")
