"""`assay cache`: chooses the threshold of the semantic cache, and explains cache hits and misses."""
