"""Original checkpoints of other code bases: recognised, measured, converted."""
