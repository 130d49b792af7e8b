"""The reference of parameters has every value of conf, its comment, and what its model allows."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from kedro.validation import TypeExtractor
from pydantic import BaseModel, Field

from preflight.cli.parameters import describe_file, write_parameters

from late_flights.pipeline_registry import register_pipelines

CONF = Path(__file__).parents[3] / "conf/base/parameters"
TEXT = """\
# Boxes and how they are packed.
#   kedro run --pipelines packing     (packs)
packing:
  boxes: 3 # in all; "#" is no comment
  kind: "a # b" # of a box | crate
  # of one box;
  weight: {low: 1.5,
    high: 2} # kg
  lid: # what closes it:
    # it may
    # be open
    colour: null
  labels: # each has
    - first
    - second
  free: {}
alone: 1 # no section
"""


class Lid(BaseModel):
    """What closes a box."""

    colour: Literal["red", "blue"] | None
    hinge: int = Field(2, ge=1, lt=5, description="number of hinges")


class Handle(BaseModel):
    """What opens it, in place of a lid."""

    length: float


class Packing(BaseModel):
    """All of it."""

    boxes: int
    kind: str
    weight: dict[str, float]
    lid: Lid | Handle
    labels: list[str]
    free: dict[str, Lid]
    width: float = Field(description="of a box, in cm")


@pytest.fixture
def rows(tmp_path: Path) -> list[str]:
    path = tmp_path / "packing.yml"
    path.write_text(TEXT)
    return list(describe_file(path, {"packing": Packing}))


def test_a_file_is_described_with_comments_types_and_what_it_leaves_out(rows: list[str]) -> None:
    assert rows == [
        "### packing.yml\n",
        "Boxes and how they are packed.\n",
        "```bash\nkedro run --pipelines packing   # packs\n```\n",
        "| parameter | here | allowed | default | meaning |\n|---|---|---|---|---|",
        "| **packing** |  |  |  |  |",
        '| `boxes` | `3` | whole number | required | in all; "#" is no comment |',
        r"| `kind` | `a # b` | text | required | of a box \| crate |",
        "| `weight` | `{low: 1.5, high: 2}` | mapping | required | of one box; kg |",
        "| `labels` | `2 entries` | list | required | each has |",
        "| `free` | `{}` | mapping | required |  |",
        "| `width` |  | number | required | of a box, in cm |",
        "| **packing.lid** |  |  |  | what closes it: it may be open |",
        "| `colour` | `null` | red, blue or null | required |  |",
        "| `hinge` |  | whole number ≥ 1 < 5 | `2` | number of hinges |",
        "| `alone` | `1` |  |  | no section |",
        "",
    ]


def test_every_parameter_of_the_project_is_in_it() -> None:
    sections = TypeExtractor(register_pipelines()).extract_types_from_pipelines()
    page = write_parameters(CONF, sections)

    def check(values: dict[str, Any], name: str) -> None:
        (part,) = re.findall(rf"^\| \*\*{re.escape(name)}\*\* .*\n((?:\| `.*\n)*)", page, re.M)
        for key, value in values.items():
            if f"\n| **{name}.{key}** " in page:
                check(value, f"{name}.{key}")
            else:
                assert f"| `{key}` | `" in part

    for path in CONF.glob("*.yml"):
        assert f"### {path.name}\n" in page
        for section, values in yaml.safe_load(path.read_text("utf-8")).items():
            assert section in sections
            check(values, section)
    assert "| `lead_minutes` | `120` | whole number > 0 | `1` |" in page
