"""Composes the stages of a run from injected parts: admit the input, answer the records, score the answers.

The order of the stages and what passes between them belongs here; each stage's work is done by the rooms below.
"""
