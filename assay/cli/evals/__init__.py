"""Commands that evaluate, label, calibrate and tune."""
