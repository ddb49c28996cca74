"""The checks shipped with Assay, one module each."""
