"""What a person has to say, typed: no run knows it."""

from preflight.framing import Strict, Text


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
