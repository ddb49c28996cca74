"""Commands that run a task."""
