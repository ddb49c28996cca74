"""Conversation history: earlier turns and their predictions, stored across workers and runs."""
