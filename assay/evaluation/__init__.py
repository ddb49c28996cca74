"""`assay eval`: comparison of a candidate with a champion, and the gate of a task."""
