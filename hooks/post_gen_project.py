"""Makes a new project of this one: its files, under a new name, and without what is the starter's.

Nothing of them passes through the template engine, so that a brace stays a brace.
"""

import contextlib
import re
import shutil
import subprocess
from pathlib import Path

NAME = "{{ cookiecutter.project_name }}".strip()
PACKAGE = "{{ cookiecutter.python_package }}"
STARTER = Path(r"{{ cookiecutter._repo_dir }}").resolve()
PROJECT = Path.cwd().resolve()

OWN = ("cookiecutter.json", "prompts.yml", "hooks", "{" + "{", "tests/test_starter.py", "README.md")
MADE = re.compile(
    r"(^|/)(\.git|\.venv|\.viz|site|build|__pycache__|\.\w+_cache|\.hypothesis|[^/]+\.egg-info)(/|$)"
    r"|^data/0[2-8]_\w+/(?!\.gitkeep)|^data/mlflow|^conf/local/(?!\.gitkeep)"
)
SECTIONS = ["How it flows", "Where things are", "When something is wrong"]
WORDS = {"preflight": PACKAGE, "Preflight": NAME, "PREFLIGHT": PACKAGE.upper()}
WORD = re.compile(r"(?<![A-Za-z0-9])(preflight|Preflight|PREFLIGHT)(?![A-Za-z0-9])")
README = """\
# {name}

```bash
make run     # from raw files to a decision and a report
make test    # its tests
make help    # everything else
```

What is decided, and what it costs, stands in `conf/base/parameters/framing.yml`. Begin there, and \
with the tables in `src/{package}/contracts/`; say here, in a line, what the problem is and whose.

`make format` once: with another name some lines are too long, and imports in another order.

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


def copy(name: str) -> None:
    """Copy a file; what is text is renamed, what is not stays as it is."""
    source, target = STARTER / name, PROJECT / renamed(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    with contextlib.suppress(UnicodeDecodeError):
        content = renamed(content.decode("utf-8")).encode("utf-8")
    target.write_bytes(content)
    shutil.copymode(source, target)


def readme() -> str:
    """Return the new project's README: how it begins, and what of ours is true of it as well."""
    text = (STARTER / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = [part for part in parts if part.startswith(tuple(f"## {title}" for title in SECTIONS))]
    sections = renamed("".join(kept))
    return README.format(name=NAME, package=PACKAGE, sections=sections, credit=CREDIT)


for stub in PROJECT.iterdir():
    stub.unlink()
for name in files():
    copy(name)
(PROJECT / "README.md").write_text(readme(), encoding="utf-8")
