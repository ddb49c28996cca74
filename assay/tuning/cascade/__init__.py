"""`assay route fit`: the confidence below which a record goes to the better model."""
