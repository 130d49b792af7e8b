"""The stage diagnosis."""

from late_flights.pipelines.diagnosis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
