"""The public functions in a notebook: cheap to import, with examples that run."""

import doctest
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import preflight

PAGE = Path(__file__).parents[2] / "docs/api.md"


def test_importing_the_package_loads_no_large_library() -> None:
    large = "{'numpy', 'pandas', 'pandera', 'pydantic', 'scipy', 'sklearn', 'kedro'}"
    code = f"import sys, preflight; print(sorted({large} & sys.modules.keys()))"
    source = str(Path(preflight.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": source},
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", preflight.__all__)
def test_a_public_name_is_found_and_described_in_the_page(name: str) -> None:
    assert getattr(preflight, name) is not None
    assert f"`{name}`" in PAGE.read_text("utf-8")


def test_every_public_name_is_listed_and_another_is_refused() -> None:
    assert sorted(preflight._PUBLIC) == preflight.__all__
    with pytest.raises(AttributeError, match="no attribute 'compair'"):
        preflight.compair  # noqa: B018


@pytest.mark.parametrize("module", sorted({*preflight._PUBLIC.values()} - {"contracts.table"}))
def test_the_examples_of_the_docstrings_run(module: str) -> None:
    found = doctest.testmod(import_module(f"preflight.{module}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_the_examples_of_the_page_run_and_print_what_it_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = PAGE.read_text("utf-8")
    # contracts resolve their annotations where they are defined
    namespace = {"__name__": __name__}
    for code in re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        exec(code, namespace)
    printed = capsys.readouterr().out
    (shown,) = re.findall(r"^```text\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert printed.startswith(shown)
    assert printed.splitlines()[3:5] == ["15 9", "[40. 40.  0.]"]
    assert re.search(r"paid .* known_at +orders\.paid$", printed)
