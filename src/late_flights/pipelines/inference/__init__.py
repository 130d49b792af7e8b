"""The stage inference."""

from late_flights.pipelines.inference.pipeline import create_pipeline

__all__ = ["create_pipeline"]
