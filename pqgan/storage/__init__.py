"""Files that are whole or not there, and known by their content."""
