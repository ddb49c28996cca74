"""`assay power`: how many records a gate needs."""
