"""`pqgan evaluate`."""
