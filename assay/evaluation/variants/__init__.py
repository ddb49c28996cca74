"""Compares several variants of a task with each other."""
