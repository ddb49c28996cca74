"""Rates that human labels correct: samples, groups of labels, estimates and their differences."""
