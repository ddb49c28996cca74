"""`assay route fit` and `assay cache`: settings chosen from landed runs."""
