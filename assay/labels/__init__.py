"""`assay review` and `assay labels`: what people label, and how labels land."""
