"""Metrics of classes: per class and averages over classes, with intervals and bounds of gate rules."""
