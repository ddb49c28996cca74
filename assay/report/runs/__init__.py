"""`assay runs`: the list of runs."""
