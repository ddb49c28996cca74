"""Batch API of a provider: processes files of requests within a day at a lower price."""
