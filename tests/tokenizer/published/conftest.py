"""The published checkpoints' shapes and arithmetic, and photographs."""

from originals import originals, photos  # noqa: F401, fixtures of this folder
