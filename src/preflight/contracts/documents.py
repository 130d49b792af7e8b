"""Contracts of JSON documents, and of the parameters in conf."""

from typing import Annotated, Any, Self

import pandas as pd
from kedro.validation import CheckFailure, DataValidationError
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)


class Document(BaseModel):
    """A JSON document with a contract: a pydantic model, enforced as a dataset's `validator:`.

    A number is finite: what is not known is null, as a NaN would fail no comparison.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DocumentContract:
    """Let a pydantic class serve as a catalog entry's `validator:`."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def validate(self, data: Any) -> Any:
        """Return `data` unchanged; raise `DataValidationError` with every fault in it."""
        try:
            self._model.model_validate(data)
        except ValidationError as error:
            failures = [
                CheckFailure(
                    message=fault["msg"],
                    check=fault["msg"],
                    column=".".join(map(str, fault["loc"])) or None,
                    failure_examples=[fault["input"]],
                )
                for fault in error.errors()
            ]
            name = self._model.__name__
            raise DataValidationError(f"not a valid {name}", failures=failures) from error
        return data

    def described(self) -> str:
        """Return the document's description, and those of its fields."""
        fields = self._model.model_fields.items()
        lines = [f"  {name}: {field.description}" for name, field in fields if field.description]
        return "\n".join([f"  {self._model.__doc__}", *lines])


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Parameters(BaseModel):
    """A section of the parameters: unknown keys are refused, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def derive(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return defaults that depend on what is given."""
        return {}

    @model_validator(mode="wrap")
    @classmethod
    def fill(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Fill in what is derived; it does not count as set, so that it can be told from stated."""
        if not isinstance(given, dict):
            return validate(given)
        derived = cls.derive(given)
        filled = validate(derived | given)
        filled.model_fields_set.difference_update(derived.keys() - given.keys())
        return filled


class AsOf(Parameters):
    """Parameters of a stage that can be run as of a moment."""

    moment: AwareDatetime | None

    @property
    def at(self) -> pd.Timestamp:
        """Return the moment: now, if none is given."""
        return pd.Timestamp(self.moment or pd.Timestamp.now("UTC"))
