"""Model endpoint: client, transport, response parsing, failures, circuit breaker."""
