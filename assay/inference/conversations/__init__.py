"""What was said in a conversation before: its answered turns, kept across workers and runs.

Which turn is asked when belongs to the pipeline; how a history reaches the wire, to the prompts.
"""
