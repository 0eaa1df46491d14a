"""Tokenizers: the product-quantised autoencoder, its baselines, and how they are trained."""
