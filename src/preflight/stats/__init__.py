"""Intervals and metrics."""
