"""The stage refit."""

from late_flights.pipelines.refit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
