"""Late flights: whether to act on a flight two hours before it is to depart."""
