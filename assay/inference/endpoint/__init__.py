"""Calls to a model endpoint: client, transport, response parsing, failures, circuit breaker."""
