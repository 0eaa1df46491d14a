"""`pqgan demo`: a page on which a picture goes through the tokenizers at hand."""
