"""What the answers are worth: scores, estimates, the scorecard.

Judging landed predictions belongs here; getting them is the engine's part, pure scorers are in `checks`.
"""
