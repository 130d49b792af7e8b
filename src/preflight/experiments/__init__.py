"""Decisions in production that are drawn by chance, to see what a policy is worth."""

from preflight.experiments.design import design_experiment
from preflight.experiments.readout import read_experiment
from preflight.experiments.simulation import simulate_log

__all__ = ["design_experiment", "read_experiment", "simulate_log"]
