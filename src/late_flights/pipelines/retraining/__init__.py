"""The stage retraining."""

from late_flights.pipelines.retraining.pipeline import create_pipeline

__all__ = ["create_pipeline"]
