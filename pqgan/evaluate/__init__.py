"""What is measured: reconstruction, generation, speed and the cost of matching."""
