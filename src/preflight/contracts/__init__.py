"""How contracts are written, and how they are found."""
