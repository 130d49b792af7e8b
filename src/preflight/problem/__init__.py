"""The problem: framing, costs and money."""
