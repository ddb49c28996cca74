"""Requests by the file: a provider's Batch API, which answers within a day at a lower price.

Belongs here: files of requests, the conversation with the provider, reading what it gives back. Which requests go, and
where answers land, is `assay.runs.batches.batch_run`.
"""
