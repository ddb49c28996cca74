"""The result of `assay eval`."""

from __future__ import annotations

from dataclasses import dataclass, field

from assay.evaluation.gate_evidence import (
    MeasuredMetric,
    MetricComparison,
)
from assay.evaluation.gate_rules import GateVerdict
from assay.evaluation.side import EvaluatedVariant, EvaluationOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came of it. `uses` counts runs and versions that have seen the gate split since it last changed."""

    evaluation_id: str
    gate_id: str | None
    options: EvaluationOptions
    stage: str
    on_inconclusive: str
    candidate: EvaluatedVariant
    champion: EvaluatedVariant | None
    population: str
    compared: tuple[MetricComparison, ...]
    measured: dict[str, MeasuredMetric]
    verdict: GateVerdict
    uses: tuple[int, int] | None
    notes: tuple[str, ...] = field(default=())

    @property
    def blocks(self) -> bool:
        """Whether the candidate is stopped."""
        return self.verdict.blocks(on_inconclusive=self.on_inconclusive)

    @property
    def exit_code(self) -> int:
        """Of the command: that of the decision; 0 where an inconclusive one only warns at the gate."""
        return self.verdict.exit_code if self.blocks or not self.options.is_gate else 0
