"""Product quantisation: the layer, the search for the nearest code, code usage, codes on disk."""
