"""What the engine costs and whether it holds: CPU, latency, memory, faults, kill -9, each beside the plainest loop.

    python -m tests.benchmarks.engine [cpu latency memory faults kill kill_batch]

Figures are ratios of one sitting. A part ends with a Markdown table, and the command with 1 when a target is missed.
"""
