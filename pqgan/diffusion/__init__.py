"""Diffusion on a tokenizer's latents: Stable Diffusion adapted to them, and a class-conditional model from scratch."""
