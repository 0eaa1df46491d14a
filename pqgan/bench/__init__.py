"""Benches: what is measured beside the plan: speed, memory, matching."""
