"""Statistical formulas on arrays: intervals, tests, power, agreement. Imports nothing from `assay` except errors."""
