"""Caches of paid responses: an exact and a semantic cache, and the key for the provider's own prompt cache.

Reusing a record's own prediction in a later run is not caching; `assay/runs` implements it.
"""
