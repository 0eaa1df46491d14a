"""Product quantisation: the layer, the search for the nearest code, the statistics of code usage."""
