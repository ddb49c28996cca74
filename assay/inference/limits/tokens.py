"""Guesses a call's tokens before it is sent, from the lengths and usages of earlier calls.

No tokenizer: each provider has its own, and loading one needs the network. A running mean of bytes per token,
learnt from what answers report, comes within a few percent for a task's own texts.
"""

from __future__ import annotations

FIRST_BYTES_PER_TOKEN = 3.5
FIRST_WEIGHT_TOKENS = 200.0
KEPT = 0.98
"""What an earlier call weighs beside the next one: the mean follows the last fifty or so."""
OUTPUT_TOKENS_UNSTATED = 1024


class TokenEstimator:
    """Tokens of calls to come; one for each lane and task, as texts and tokenizers differ."""

    __slots__ = ("_bytes", "_output", "_output_calls", "_tokens")

    def __init__(self) -> None:
        self._bytes = FIRST_BYTES_PER_TOKEN * FIRST_WEIGHT_TOKENS
        self._tokens = FIRST_WEIGHT_TOKENS
        self._output = 0.0
        self._output_calls = 0

    @property
    def bytes_per_token(self) -> float:
        """Bytes of a request's body that make one input token."""
        return self._bytes / self._tokens

    def estimate(self, body_bytes: int, *, max_tokens: int | None) -> int:
        """Input and output tokens that the call may use, at least 1.

        Output counts with `max_tokens` where the call states it, as providers do; else with the mean so far.
        """
        return max(1, round(body_bytes / self.bytes_per_token) + (max_tokens or self._usual_output()))

    def learn(self, body_bytes: int, *, input_tokens: int | None, output_tokens: int | None) -> None:
        """The next estimate takes this call's reported usage into account; None was not reported."""
        if input_tokens and body_bytes > 0:
            self._bytes = self._bytes * KEPT + body_bytes
            self._tokens = self._tokens * KEPT + input_tokens
        if output_tokens is not None:
            self._output_calls += 1
            weight = max(1.0 - KEPT, 1.0 / self._output_calls)
            self._output += (output_tokens - self._output) * weight

    def _usual_output(self) -> int:
        return round(self._output) if self._output_calls else OUTPUT_TOKENS_UNSTATED
