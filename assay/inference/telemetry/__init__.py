"""Telemetry of a run: spans and log lines, without the content of requests and responses.

Contains the protocols that the engine uses, the OpenTelemetry spans and the run's log. The progress display is in
`assay/runs/progress.py`.
"""
