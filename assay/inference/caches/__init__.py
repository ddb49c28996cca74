"""Caches of paid responses: exact and semantic, and the provider's own prompt cache.

Reuse of a record's own prediction across runs is a policy of `assay/runs`, not a cache.
"""
