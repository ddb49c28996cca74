"""Stage 3 of a run: scores and estimates of its predictions."""
