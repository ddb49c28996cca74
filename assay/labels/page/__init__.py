"""The labeling page: a web application for the browser."""
