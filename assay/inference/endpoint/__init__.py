"""The wire to a model endpoint: client, transport, replies, failures, circuit."""
