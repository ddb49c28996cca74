"""Chooses settings of routes and caches from data: `assay route fit`, `assay cache`."""
