"""`assay report`: the scorecard of a run."""
