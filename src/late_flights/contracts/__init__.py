"""The contracts of your tables: the only place where columns are declared."""
