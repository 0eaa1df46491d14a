"""What a scale costs: operations, GPU-hours, bytes."""
