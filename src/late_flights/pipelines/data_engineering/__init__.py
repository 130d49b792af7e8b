"""The stage data_engineering."""

from late_flights.pipelines.data_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
