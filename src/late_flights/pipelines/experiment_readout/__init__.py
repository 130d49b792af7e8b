"""The stage experiment_readout."""

from late_flights.pipelines.experiment_readout.pipeline import create_pipeline

__all__ = ["create_pipeline"]
