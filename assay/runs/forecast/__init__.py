"""`assay run --dry-run`: what a run would request and cost."""
