"""Masks personal values before text is sent to a model, and restores it in the response.

Also computes keyed hashes of personal values. Five kinds of identifiers are masked.
"""
