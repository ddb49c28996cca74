"""Estimates a call's tokens before it is sent, from the lengths and usage of earlier calls.

Uses no tokenizer: each provider has its own, and loading one needs the network. A running mean of bytes per token,
learned from reported usage, is within a few percent for the texts of one task.
"""

from __future__ import annotations

FIRST_BYTES_PER_TOKEN = 3.5
FIRST_WEIGHT_TOKENS = 200.0
KEPT = 0.98
"""Weight of the previous mean against the next call: an average over about 50 calls."""
OUTPUT_TOKENS_UNSTATED = 1024


class TokenEstimator:
    """Token estimates of one lane and task, as texts and tokenizers differ."""

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

        Output counts as `max_tokens` where the call states it, as providers count; otherwise as the mean so far.
        """
        return max(1, round(body_bytes / self.bytes_per_token) + (max_tokens or self._usual_output()))

    def learn(self, body_bytes: int, *, input_tokens: int | None, output_tokens: int | None) -> None:
        """Includes this call's reported usage in the next estimate; None was not reported."""
        if input_tokens and body_bytes > 0:
            self._bytes = self._bytes * KEPT + body_bytes
            self._tokens = self._tokens * KEPT + input_tokens
        if output_tokens is not None:
            self._output_calls += 1
            weight = max(1.0 - KEPT, 1.0 / self._output_calls)
            self._output += (output_tokens - self._output) * weight

    def _usual_output(self) -> int:
        return round(self._output) if self._output_calls else OUTPUT_TOKENS_UNSTATED
