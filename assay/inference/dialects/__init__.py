"""What chat APIs want in a request and say in a response, one module an API."""
