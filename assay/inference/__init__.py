"""How an answer is got: prompts, router, cache, budget, limiter, client, validation, prices.

Each part is a module of its own behind a small Protocol; `engine.py` puts them together for one request.
Persistence is seen only through `assay.ports`.
"""
