"""Request and response formats of chat APIs, one module per API."""
