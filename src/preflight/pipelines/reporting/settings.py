"""What a person has to say, typed: no run knows it; and what the checklist asks."""

from typing import Annotated

from pydantic import Field

from preflight.costs import Strict, Text


class Model(Strict):
    """Of the model, for its card."""

    users: Text
    not_for: Text
    ethics: Text
    caveats: Text


class Data(Strict):
    """Of the data, for their datasheet."""

    motivation: Text
    persons: Text
    collection: Text
    uses: Text
    not_for: Text
    distribution: Text
    maintenance: Text


class About(Strict):
    """What the model card and the datasheet quote."""

    model: Model
    data: Data


class Check(Strict):
    """A check, what proves that it is done, and how to get there."""

    name: Text
    evidence: list[Text]
    how: Text


Seven = Annotated[list[Check], Field(min_length=7, max_length=7)]


class Checklist(Strict):
    """The tests of Breck et al. (2017), by section, and this project's own."""

    data: Seven
    model: Seven
    infrastructure: Seven
    monitoring: Seven
    own: list[Check]
