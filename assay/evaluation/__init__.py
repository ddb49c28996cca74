"""`assay eval`: a candidate against a champion, and the gate of the task."""
