"""Conversation history: earlier turns with their predictions, kept across workers and runs."""
