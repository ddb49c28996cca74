"""Local stack commands."""
