"""The stage deployment."""

from late_flights.pipelines.deployment.pipeline import create_pipeline

__all__ = ["create_pipeline"]
