"""The local journal of answered calls, which closes the last second before they land."""
