"""What a person has to say for the report, and what a page and a card have to have."""

import re
from html.parser import HTMLParser
from typing import Annotated, Any, Literal, Self

from kedro.validation import CheckFailure, DataValidationError
from pydantic import Field, model_validator

from preflight.contracts.documents import Document, DocumentContract, Parameters, Text


class Model(Parameters):
    """Of the model, for its card."""

    users: Text
    not_for: Text
    ethics: Text
    caveats: Text


class Data(Parameters):
    """Of the data, for their datasheet."""

    motivation: Text
    persons: Text
    collection: Text
    uses: Text
    not_for: Text
    distribution: Text
    maintenance: Text


class About(Parameters):
    """What the model card and the datasheet quote."""

    model: Model
    data: Data


class Check(Parameters):
    """A check, what proves that it is done, and how to get there."""

    name: Text
    evidence: list[Text]
    how: Text


Seven = Annotated[list[Check], Field(min_length=7, max_length=7)]


class ChecklistParameters(Parameters):
    """The tests of Breck et al. (2017), by section, and this project's own."""

    data: Seven
    model: Seven
    infrastructure: Seven
    monitoring: Seven
    own: list[Check]


LARGEST = 3_000_000  # bytes: such a page opens at once and can be mailed
RUNS_OR_LOADS = {"base", "embed", "frame", "iframe", "link", "object", "script"}
CSS_LOADS = re.compile(r"@import|url\((?!['\"]?(?:data:|#))")


class Figure:
    """A Plotly figure that shows something, with a title and, in every plot, a named axis."""

    def validate(self, data: Any) -> Any:
        """Return the figure; raise DataValidationError that names what it lacks."""
        across, up = (
            all(axis.title.text for axis in axes)
            for axes in (data.select_xaxes(), data.select_yaxes())
        )
        faults = {
            "has no title": not data.layout.title.text,
            "shows nothing": not data.data,
            "does not name what its axes measure": data.data and not (across or up),
        }
        return _refuse("figure", faults, data)


class Html:
    """A page that is whole, opens offline, needs no script, and is small enough to mail."""

    def validate(self, data: Any) -> Any:
        """Return the page; raise DataValidationError that names what is wrong with it."""
        page = _Loads()
        page.feed(data)
        faults = {
            "has no doctype": not data.lstrip().lower().startswith("<!doctype html>"),
            "is cut short": not data.rstrip().endswith("</html>"),
            "loads something from elsewhere, or needs a script": page.found,
            f"is larger than {LARGEST:,} bytes": len(data.encode()) > LARGEST,
        }
        return _refuse("page", faults, data)


class _Loads(HTMLParser):
    """Whether a page loads something or needs a script."""

    found = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at a tag and its attributes."""
        self.found |= tag in RUNS_OR_LOADS or any(
            name.startswith("on")
            or (name in {"src", "srcset"} and not (value or "").startswith("data:"))
            for name, value in attrs
        )

    def handle_data(self, data: str) -> None:
        """Look at a style sheet."""
        self.found |= self.cdata_elem == "style" and bool(CSS_LOADS.search(data))


class Sections:
    """A Markdown text in which each of these sections is there and says something."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def validate(self, data: str) -> str:
        """Return the text; raise DataValidationError that names the sections that say nothing."""
        parts = re.split(r"^## (.+)$", data, flags=re.MULTILINE)
        said = dict(zip(parts[1::2], parts[2::2], strict=True))
        faults = {
            f"has nothing under '{name}'": not re.search(r"\w", said.get(name, ""))
            for name in self._names
        }
        return _refuse("text", faults, data)


def _refuse(what: str, faults: dict[str, Any], data: Any) -> Any:
    failures = [CheckFailure(fault, check=fault) for fault, found in faults.items() if found]
    if failures:
        raise DataValidationError(f"not a valid {what}", failures=failures)
    return data


class Evidence(Document):
    """What proves that a check is done, and where it was found."""

    name: str
    found: str | None = Field(description="the dataset's version, or where else; null: nowhere")


class Checked(Document):
    """A check, its state, and how to earn it."""

    name: str
    state: Literal["automated", "by hand", "open"]
    evidence: list[Evidence]
    how: str

    @model_validator(mode="after")
    def nothing_without_evidence(self) -> Self:
        proved = self.evidence and all(one.found for one in self.evidence)
        if self.state != "open" and not proved:
            raise ValueError(f"'{self.name}' counts without evidence")
        return self


POINTS = {"automated": 1.0, "by hand": 0.5, "open": 0.0}  # of a check, by its state


class CheckedSection(Document):
    """A section's checks; a point for each that is automated, half a point for one by hand."""

    points: float = Field(ge=0)
    of: int
    checks: list[Checked]

    @model_validator(mode="after")
    def adds_up(self) -> Self:
        if self.points != sum(POINTS[check.state] for check in self.checks):
            raise ValueError("points are not those of the checks")
        return self


class Checklist(Document):
    """The ML Test Score (Breck et al. 2017): the least of its four sections."""

    score: float
    means: str
    sections: dict[str, CheckedSection]

    @model_validator(mode="after")
    def is_the_least(self) -> Self:
        """This project's own checks are not in the score."""
        if self.score != min(s.points for name, s in self.sections.items() if name != "own"):
            raise ValueError("score is not that of the least section")
        return self


checklist = DocumentContract(Checklist)
model_card = Sections(  # Mitchell et al. 2019
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
)
datasheet = Sections(  # Gebru et al. 2021
    "Motivation",
    "Composition",
    "Collection process",
    "Preprocessing, cleaning and labelling",
    "Uses",
    "Distribution",
    "Maintenance",
)
