"""Stage 2 of a run: each request of a run becomes one landed prediction."""
