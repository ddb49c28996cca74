"""`assay calibrate`: agreement of judges with human labels, and rates corrected by these labels."""
