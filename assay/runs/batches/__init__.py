"""Runs by the provider's Batch API."""
