"""Raw images -> prepared sets -> batches. Everything but `batches` starts without torch."""
