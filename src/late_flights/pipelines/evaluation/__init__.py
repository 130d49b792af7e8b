"""The stage evaluation."""

from late_flights.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
