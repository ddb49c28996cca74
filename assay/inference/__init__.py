"""Turns a request into a prediction: prompts, router, caches, budget, rate limiter, client, validation, prices.

Each part is a module behind a small Protocol; `engine.py` combines them for one request. Persistence is reached only
through `assay.ports`.
"""
