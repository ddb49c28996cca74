"""Money: what holds a run, a task and a month to their caps.

Reserving before a call and settling after it belongs here; prices are in `prices.py`, forecasts in the pipeline.
"""
