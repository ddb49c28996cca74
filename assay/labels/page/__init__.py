"""The labeling page: what a browser shows and sends."""
