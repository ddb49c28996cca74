"""Estimates the tokens of a call before it is sent, from the size and the usage of earlier calls.

No tokenizer is used: each provider has its own, and loading one requires network access. A running mean of bytes per
token, learned from reported usage, is accurate to within a few percent for the texts of one task.
"""

from __future__ import annotations

FIRST_BYTES_PER_TOKEN = 3.5
FIRST_WEIGHT_TOKENS = 200.0
KEPT = 0.98
"""Weight of the previous mean when it is updated: an average over about 50 calls."""
OUTPUT_TOKENS_UNSTATED = 1024


class TokenEstimator:
    """Token estimates for one lane and one task, because texts and tokenizers differ between them."""

    __slots__ = ("_bytes", "_output", "_output_calls", "_tokens")

    def __init__(self) -> None:
        self._bytes = FIRST_BYTES_PER_TOKEN * FIRST_WEIGHT_TOKENS
        self._tokens = FIRST_WEIGHT_TOKENS
        self._output = 0.0
        self._output_calls = 0

    @property
    def bytes_per_token(self) -> float:
        """Bytes of a request body per input token."""
        return self._bytes / self._tokens

    def estimate(self, body_bytes: int, *, max_tokens: int | None) -> int:
        """Input and output tokens that the call may use, at least 1.

        Output is `max_tokens` if the call states it, because providers count it so; otherwise the mean output so far.
        """
        return max(1, round(body_bytes / self.bytes_per_token) + (max_tokens or self._usual_output()))

    def learn(self, body_bytes: int, *, input_tokens: int | None, output_tokens: int | None) -> None:
        """Updates the estimates with the usage of a call; a value is None if the provider did not report it."""
        if input_tokens and body_bytes > 0:
            self._bytes = self._bytes * KEPT + body_bytes
            self._tokens = self._tokens * KEPT + input_tokens
        if output_tokens is not None:
            self._output_calls += 1
            weight = max(1.0 - KEPT, 1.0 / self._output_calls)
            self._output += (output_tokens - self._output) * weight

    def _usual_output(self) -> int:
        return round(self._output) if self._output_calls else OUTPUT_TOKENS_UNSTATED
