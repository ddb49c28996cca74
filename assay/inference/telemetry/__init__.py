"""What a run tells about itself while it goes: spans and log lines, never a word of what is asked or answered.

Belongs here: the seams the engine calls, the spans of OpenTelemetry, the lines of the run's log. Figures for a person
are in `assay/runs/progress.py`.
"""
