"""`assay adopt`: predictions made outside Assay land as a run that is scored and compared like any other."""
