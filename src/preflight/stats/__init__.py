"""Bootstrap intervals and metrics."""
