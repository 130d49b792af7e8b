"""What people write for the report, and what a page, a card and a checklist need."""

import re
from html.parser import HTMLParser
from typing import Annotated, Any, Literal, Self

from kedro.validation import CheckFailure, DataValidationError
from pydantic import Field, model_validator

from preflight.contracts.documents import Document, DocumentContract, Parameters, Text

NOT_STATED = "not stated (conf/base/parameters/about.yml)"


class Model(Parameters):
    """Of the model, for its card."""

    users: Text = Field(NOT_STATED, description="who uses the model")
    not_for: Text = Field(NOT_STATED, description="uses that the model is not made for")
    ethics: Text = Field(NOT_STATED, description="effects on people")
    caveats: Text = Field(NOT_STATED, description="limits of the results")


class Data(Parameters):
    """Of the data, for their datasheet."""

    motivation: Text = Field(NOT_STATED, description="why the data were collected")
    persons: Text = Field(NOT_STATED, description="what the data contain about people")
    collection: Text = Field(NOT_STATED, description="how the data were collected")
    uses: Text = Field(NOT_STATED, description="what the data may be used for")
    not_for: Text = Field(NOT_STATED, description="uses that the data do not fit")
    distribution: Text = Field(NOT_STATED, description="where the data are available")
    maintenance: Text = Field(NOT_STATED, description="who corrects the data")


class About(Parameters):
    """What the model card and the datasheet quote."""

    model: Model = Model()
    data: Data = Data()


class Check(Parameters):
    """A check, the evidence that it is done, and how to get there."""

    name: Text
    evidence: list[Text]
    how: Text


Seven = Annotated[list[Check], Field(min_length=7, max_length=7)]


class ChecklistParameters(Parameters):
    """The tests of Breck et al. (2017), by section."""

    data: Seven
    model: Seven
    infrastructure: Seven
    monitoring: Seven


LARGEST = 3_000_000  # bytes: such a page opens at once and can be mailed
RUNS_OR_LOADS = {"base", "embed", "frame", "iframe", "link", "object", "script"}
CSS_LOADS = re.compile(r"@import|url\((?!['\"]?(?:data:|#))")


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
        return refuse("page", faults, data)


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
    """A Markdown text with these sections, none of them empty."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def validate(self, data: str) -> str:
        """Return the text; raise DataValidationError that names the empty sections."""
        parts = re.split(r"^## (.+)$", data, flags=re.MULTILINE)
        texts = dict(zip(parts[1::2], parts[2::2], strict=True))
        faults = {
            f"has nothing under '{name}'": not re.search(r"\w", texts.get(name, ""))
            for name in self._names
        }
        return refuse("text", faults, data)


def refuse(what: str, faults: dict[str, Any], data: Any) -> Any:
    """Return the data; raise DataValidationError with each fault that was found."""
    failures = [CheckFailure(fault, check=fault) for fault, found in faults.items() if found]
    if failures:
        raise DataValidationError(f"not a valid {what}", failures=failures)
    return data


class Checked(Document):
    """A check, its state, where each piece of its evidence was found, and how to earn it."""

    name: str
    state: Literal["automated", "by hand", "open"]
    evidence: dict[str, str | None] = Field(description="a version, or where else; null: nowhere")
    how: str

    @model_validator(mode="after")
    def nothing_without_evidence(self) -> Self:
        if self.state != "open" and not (self.evidence and all(self.evidence.values())):
            raise ValueError(f"'{self.name}' counts without evidence")
        return self


class Checklist(Document):
    """The ML Test Score (Breck et al. 2017)."""

    score: float = Field(ge=0, le=7)
    meaning: str
    sections: dict[str, list[Checked]]


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
