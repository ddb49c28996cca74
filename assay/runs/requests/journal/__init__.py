"""The local journal of responses that are paid for and not yet landed."""
