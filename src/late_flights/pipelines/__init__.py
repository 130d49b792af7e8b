"""The stages: one folder for each graph."""
