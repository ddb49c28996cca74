"""Batch API of a provider: files of requests, completed within a day at a lower price."""
