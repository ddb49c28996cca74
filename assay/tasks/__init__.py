"""Loads task folders: each becomes one frozen, validated `Task` with its version hashes, or a list of issues."""
