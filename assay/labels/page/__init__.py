"""The labelling page: what a browser shows and sends."""
