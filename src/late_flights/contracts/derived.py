"""What later stages make of your tables: their columns, with your key, features and label."""

from preflight.contracts.table import Table, column
from preflight.diagnosis.contracts import SegmentExampleColumns, SuspiciousLabelColumns
from preflight.evaluation.contracts import TestPredictionColumns
from preflight.features.contracts import ExampleColumns, LabelColumns
from preflight.inference.contracts import (
    KeyedColumns,
    LogColumns,
    PredictionColumns,
    UpcomingColumns,
)
from preflight.modeling.contracts import PredictionValues, ValidationPredictionColumns

from late_flights.contracts.features import Features
from late_flights.contracts.primary import LABEL, Key, Label

OF_FOLD = ["fold", *Key.grain()]


class Labelled(Table):
    """The label that is predicted."""

    label: Label = column("what framing.decision.label says", **LABEL)


class Labels(LabelColumns, Key):
    """One row per example: its label."""

    label: float = column(
        "what framing.decision.label says; missing while it is open",
        **LABEL,
        known_at="label_known_at",
    )


class Examples(Labelled, ExampleColumns, Features):
    """Features with their label: one part of the split, in the order of prediction."""


class ValidationPredictions(Labelled, ValidationPredictionColumns, Key, key=OF_FOLD):
    """One row per fold and example: each model's prediction, fitted on what came before."""


class TestPredictions(Labelled, TestPredictionColumns, Key):
    """One row per test example, in the order of prediction."""


class ReferencePredictions(PredictionValues, Features):
    """Features with what the candidate said of them, to the last bit: some rows of test."""


class LabelIssues(Labelled, SuspiciousLabelColumns, Key, key=OF_FOLD):
    """One row per label that the candidate contradicts, the most suspicious first."""


class SegmentExamples(Labelled, SegmentExampleColumns, Key):
    """One row per decision to look at, of the segments where most is lost."""


class Upcoming(UpcomingColumns, Features):
    """Features with the moment at which they were built: one row per decision that is due."""


class KeyedFeatures(KeyedColumns, Features):
    """One row per decision that is due and not over: its features, to be looked up by key."""


class Predictions(PredictionColumns, Key):
    """One row per decision: what the champion says of it."""


class PredictionLog(LogColumns, Features, key=[*Key.grain(), "moment", "model"]):
    """One row per decision, moment and model: what was asked and answered, never changed since."""
