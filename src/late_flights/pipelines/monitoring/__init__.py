"""The stage monitoring."""

from late_flights.pipelines.monitoring.pipeline import create_pipeline

__all__ = ["create_pipeline"]
