"""`assay power`: the number of records that a gate needs."""
