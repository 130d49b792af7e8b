"""What modeling returns: trials, predictions on validation, models."""

from typing import Any, Literal, Self

import pandas as pd
import pandera.pandas as pa
from pydantic import ConfigDict, Field, RootModel, TypeAdapter, model_validator

from preflight.contracts.documents import Document, DocumentContract
from preflight.contracts.table import Table, Utc, column
from preflight.problem.costs import AnyCosts
from preflight.stats.contracts import COST, GROUP, MONEY, PROBABILITY, Interval


class BestParams(Document):
    """The parameters that the search found, their value, and which are kept; null: no search."""

    candidate: str = Field(description="which of the candidates is used")
    params: dict[str, Any] = Field(description="of those searched; empty: the declared ones")
    kept: Literal["declared", "tuned"]
    ended: Literal["trials", "seconds"] = Field(
        description="what ended the search; unless it is trials, another run may make other trials"
    )
    trial: int | None = Field(description="number of the best trial")
    value: float | None = Field(description="its saving per 1,000 decisions, mean over folds")
    declared_value: float | None = Field(description="that of the declared parameters")
    optimism: float | None = Field(
        ge=0, description="gain from picking the best of many alone; null: too few weeks"
    )
    gain: "Interval | None" = Field(description="of the best over the declared, less optimism")


class Trials(Table, key=["trial"]):
    """One row per trial of the search."""

    trial: int = column("number, from 0", ge=0)
    state: str = column("how it ended", isin=["complete", "pruned", "fail", "running", "waiting"])
    value: float = column(
        "saving, mean over all folds; missing where it was pruned",
        MONEY,
        nullable=True,
    )
    folds: int = column("folds done", "folds", ge=0)
    limits: bool = column("keeps the serving limits")
    candidate: str = column("which of the candidates")
    params: str = column("its searched parameters, as JSON")


class ParameterImportance(Table, key=["parameter"]):
    """One row per searched parameter of the best trial's candidate; none after too few trials."""

    parameter: str = column("the parameter")
    share: float = column("of the spread of the trials' values", **PROBABILITY)


class ValidationPredictionColumns(Table):
    """One row per fold and example, with key, label and the predictions of each model."""

    predict_at: Utc = column("moment of prediction", "UTC")
    fold: int = column("folds are in the order of time", ge=0)
    last: bool = column("the fold that is the validation set")
    probability: float | None = column(
        "of each model", alias="^probability_.+$", regex=True, **PROBABILITY
    )
    prediction: float | None = column("amount", alias="^prediction_.+$", regex=True)
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)
    group: int | None = column(GROUP, ge=0)

    @pa.dataframe_check(error="the candidate predicts a probability, or an amount", ignore_na=False)
    def of_one_task(cls, t: pd.DataFrame) -> bool:
        return ("probability_candidate" in t) != ("prediction_candidate" in t)


class Calibration(Document):
    """A line on log-odds, or a shift of amounts, and the loss on validation without and with it.

    The loss is the log loss in nats per row; in a regression the cost of being wrong, per row.
    """

    slope: float = Field(gt=0)
    intercept: float
    loss_without: float = Field(ge=0)
    loss_with: float | None = Field(None, ge=0)


class Selection(Document):
    """The best baseline and the calibration, as chosen on validation."""

    values: dict[str, float] = Field(description="saving per 1,000 decisions of each model")
    best_baseline: str
    calibration: Calibration

    @model_validator(mode="after")
    def best_is_a_baseline(self) -> Self:
        if self.best_baseline not in self.values or self.best_baseline == "candidate":
            raise ValueError(f"best_baseline {self.best_baseline!r} is not a baseline")
        return self


class ModelBundle(Document):
    """A model with everything that it needs to decide."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    estimator: Any
    slope: float = Field(gt=0)
    intercept: float
    threshold: float | None = Field(ge=0, le=1, description="null: one for each row, or none")
    features: list[str]
    provenance: dict[str, Any] = Field(min_length=1)

    @model_validator(mode="after")
    def can_decide(self) -> Self:
        """Refuse a model that is not fitted, or that has neither a threshold nor costs."""
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(self.estimator)
        except (NotFittedError, TypeError) as error:
            raise ValueError("the estimator is not fitted") from error
        if self.threshold is None:
            TypeAdapter(AnyCosts).validate_python(self.provenance.get("framing", {}).get("costs"))
        return self


class Champion(RootModel[ModelBundle | None]):
    """The model in use, if there is one."""

    @model_validator(mode="after")
    def can_be_asked(self) -> Self:
        """Refuse a model without the values that flags and reasons are made from."""
        if self.root is None:
            return self
        if (
            lacks := {"reference_values", "seen_categories", "framing"}
            - self.root.provenance.keys()
        ):
            raise ValueError(
                f"its provenance lacks {', '.join(sorted(lacks))}, as other code made it: kedro "
                "rollback, or make and promote a new one: kedro run, then --pipelines deployment"
            )
        return self


class ModelBundles(RootModel[dict[str, ModelBundle]]):
    """Several models by name."""


class PredictionValues(Table):
    """The prediction for a row: a probability, or an amount."""

    probability: float | None = column("of label 1", **PROBABILITY)
    prediction: float | None = column("the amount, which is the decision")

    @pa.dataframe_check(error="there is a probability, or an amount", ignore_na=False)
    def of_one_task(cls, t: pd.DataFrame) -> bool:
        return ("probability" in t) != ("prediction" in t)


class DecisionValues(PredictionValues):
    """The prediction and the decision for a row: probability and act, or an amount."""

    act: bool | None = column("the decision")

    @pa.dataframe_check(error="a probability comes with what is decided", ignore_na=False)
    def decides(cls, t: pd.DataFrame) -> bool:
        """An amount is the decision."""
        return ("act" in t) == ("probability" in t)


best_params = DocumentContract(BestParams)
selection = DocumentContract(Selection)
candidate = DocumentContract(ModelBundle)
champion = DocumentContract(Champion)
baselines = DocumentContract(ModelBundles)
