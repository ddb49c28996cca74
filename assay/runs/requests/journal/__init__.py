"""The local journal of responses that are paid for but not yet landed."""
