"""Routing: rules on record fields, cascades based on confidence, and the cost of a request without routing."""

from assay.inference.routing.confidence import answer_confidence, stated_confidence
from assay.inference.routing.counterfactual import counterfactual_cost
from assay.inference.routing.protocol import Router
from assay.inference.routing.record import Escalation, landed_confidence, routing_column
from assay.inference.routing.rules import RuleRouter, rule_router

__all__ = [
    "Escalation",
    "Router",
    "RuleRouter",
    "answer_confidence",
    "counterfactual_cost",
    "landed_confidence",
    "routing_column",
    "rule_router",
    "stated_confidence",
]
