"""The stage audit."""

from late_flights.pipelines.audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
