"""Changes the text of golden cases on purpose, in ways that real input differs from clean input."""
