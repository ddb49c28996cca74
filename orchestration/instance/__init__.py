"""How Dagster itself runs here: the launcher of runs and the executors of steps."""
