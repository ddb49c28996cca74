"""Loads task folders: each is either a frozen, validated `Task` with its version hashes, or a list of issues."""
