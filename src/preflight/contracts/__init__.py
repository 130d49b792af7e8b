"""How a contract is written, and how contracts are found."""
