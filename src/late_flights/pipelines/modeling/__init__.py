"""The stage modeling."""

from late_flights.pipelines.modeling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
