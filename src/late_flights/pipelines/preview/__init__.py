"""A quick look at the models, without the test set."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
