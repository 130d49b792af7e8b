"""Tables that do not fit into memory: built one period at a time, here or on a cluster."""
