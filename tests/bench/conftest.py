"""Shared fixtures: the step that `pqgan bench train` times."""

from step_fixtures import batch, make_step  # noqa: F401, fixtures of this folder
