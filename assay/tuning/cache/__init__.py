"""`assay cache`: the threshold of the semantic cache, and why a request hits or misses."""
