"""`assay calibrate`: how far a judge agrees with people, and rates corrected by their labels."""
