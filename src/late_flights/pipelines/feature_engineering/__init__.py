"""The stage feature_engineering."""

from late_flights.pipelines.feature_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
