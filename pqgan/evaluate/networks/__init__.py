"""The feature networks, and what they see of a set of images."""
