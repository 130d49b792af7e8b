"""The stage experiment_design."""

from late_flights.pipelines.experiment_design.pipeline import create_pipeline

__all__ = ["create_pipeline"]
