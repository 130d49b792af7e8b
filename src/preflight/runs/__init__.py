"""What a run read and made."""
