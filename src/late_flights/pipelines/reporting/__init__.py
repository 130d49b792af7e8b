"""The stage reporting."""

from late_flights.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
