"""Answers that were paid for and may be given again: exact and semantic caches, and the provider's own prompt cache.

Reuse of a record's own answer across runs is no cache: it is a policy of the pipeline.
"""
