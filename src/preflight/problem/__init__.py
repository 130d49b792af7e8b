"""What is decided, and at what cost."""
