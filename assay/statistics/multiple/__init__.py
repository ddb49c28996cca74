"""Inference about several comparisons at once: pairs of variants, rankings, and slices against the rest."""
