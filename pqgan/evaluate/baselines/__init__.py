"""Published tokenizers to compare with: where they are, how they are converted and opened."""
