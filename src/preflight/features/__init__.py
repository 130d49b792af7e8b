"""Tools for features: windows, tables at a moment, the split."""

from preflight.features.point_in_time import group, in_yearly_chunks
from preflight.features.split import draw_moments, join_features, split_development, split_examples

__all__ = [
    "draw_moments",
    "join_features",
    "split_development",
    "split_examples",
    "group",
    "in_yearly_chunks",
]
