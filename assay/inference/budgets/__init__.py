"""Budgets: caps on the cost of a run, a task and a month; cost is reserved before a call and settled after it."""
