"""Commands that read tasks and the warehouse."""
