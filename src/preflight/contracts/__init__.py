"""Contracts of tables and documents, and the catalog that names them."""
