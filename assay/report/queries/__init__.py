"""SQL statements of the scorecard, on the landing tables of one run: it needs no mart.

Each metric has the definition of the reporting view of the same name; tests/dbt/runs/test_scorecard.py compares
them. Every statement over predictions, responses, records or scores is bounded by the run's data date; those that
follow a reused response to the run that requested it, by the data dates of all runs.
"""
