"""Preflight: a Kedro project template for tabular machine learning in production."""

__version__ = "0.1.0"
