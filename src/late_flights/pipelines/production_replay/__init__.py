"""The stage production_replay."""

from late_flights.pipelines.production_replay.pipeline import create_pipeline

__all__ = ["create_pipeline"]
