"""Runs through a provider's Batch API."""
