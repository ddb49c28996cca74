"""`assay route fit`: fits the confidence threshold below which a record escalates to the better route."""
