"""Means of scores in their own unit, and differences of means."""
