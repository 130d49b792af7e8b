"""The parameters of deployment, typed."""

from typing import Self

from pydantic import model_validator

from preflight.costs import Strict, Text


class Override(Strict):
    """Who promotes a model that the verdict holds back, and why."""

    by: Text | None
    reason: Text | None

    @model_validator(mode="after")
    def has_a_name_and_a_reason(self) -> Self:
        """Refuse one without the other."""
        if (self.by is None) != (self.reason is None):
            raise ValueError("an override needs both: by, a name, and reason")
        return self


class Deployment(Strict):
    """How a candidate becomes the champion."""

    override: Override
