"""Keeps every lane (one provider's one model) at the provider's limit and never past it.

`headers.py` reads what answers say of limits, `pacing.py` counts quota, `control.py` adapts, `lane.py` lines callers
up, `in_process.py` and `shared.py` are the two limiters, `build.py` chooses between them. Failures carry
`RateHeaders`, so this file imports nothing.
"""
