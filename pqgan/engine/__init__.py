"""What every training shares: the device, the one loop, the guard."""
