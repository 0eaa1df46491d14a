"""One file per metric: arithmetic on features or images, no files."""
