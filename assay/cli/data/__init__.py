"""Commands for task folders and the warehouse."""
