"""Rate limiting: keeps the calls of every lane (one model at one provider) within the provider's limits.

`endpoint/rate_headers.py` reads the limits that responses report, `pacing.py` counts quota, `control.py` adapts the
rate, `lane.py` queues callers, `in_process.py` and `shared.py` are the two limiters, `build.py` chooses between them.
This file imports nothing, because `endpoint/failures.py` and the limiters would otherwise import each other.
"""
