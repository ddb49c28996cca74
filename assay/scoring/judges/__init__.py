"""LLM judges: prompts, votes, verdicts."""
