"""Commands for evaluation, labeling, calibration and tuning."""
