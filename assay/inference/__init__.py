"""Turns a request into a prediction: prompts, router, caches, budget, rate limiter, client, validation, prices.

Each component is a module that implements a small Protocol; `engine.py` combines the components for one request. The
warehouse is accessed only through `assay.ports`.
"""
