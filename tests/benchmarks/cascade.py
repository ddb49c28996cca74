"""What does a fitted cascade keep, and what does it save? Four hosted models' real answers, on many random splits.

    python -m tests.benchmarks.cascade [--splits 200] [--within 0.02] [--error 0.05]

The answers hold no token probabilities, so the confidence stands in for them: on a third of the records, never used
again, the share of the cheap model's answers with a label that were right. The rest is split into halves, one to fit
on, one to check on. Prices are list prices for the tokens of a zero-shot prompt with all labels, four characters a token.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from random import Random

from assay.inference.prices import PriceBook
from assay.inference.usage import TokenUsage
from assay.tuning.cascade.price import cascade_price
from assay.tuning.cascade.threshold import CascadeOutcomes, Fit, Goal, RoutePair, fit, halves
from tests.paths import SHARED

PRODUCTS = SHARED / "data" / "classification" / "ecommerce_products_4llms.csv"
MODELS = {
    "gpt_4o": ("openai", "gpt-4o"),
    "claude_3.5_sonnet": ("anthropic", "claude-3-5-sonnet-20241022"),
    "gpt_4o_mini": ("openai", "gpt-4o-mini"),
    "claude_3.5_haiku": ("anthropic", "claude-3-5-haiku-20241022"),
}
CASCADES = (("gpt_4o_mini", "gpt_4o"), ("claude_3.5_haiku", "gpt_4o"), ("gpt_4o_mini", "claude_3.5_sonnet"))
PRICED_ON = date(2025, 3, 1)
CHARACTERS_PER_TOKEN = 4
PRIOR_WEIGHT = 4.0
Row = dict[str, str]
Usd = Callable[[str, Row], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One random split: the fit, and what the cascade did on the half that had no part in it."""

    fit: Fit
    difference: float
    escalated: float
    saved: float

    @property
    def held(self) -> bool:
        """True when the quality on the fresh half is not below the goal; without a threshold nothing is promised."""
        return self.fit.chosen is None or self.difference >= -(self.fit.goal.within or 0.0)


def say(line: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def products(path: Path = PRODUCTS) -> list[Row]:
    """The rows of the file: title, right category, four predictions."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def prices(rows: Sequence[Row]) -> Usd:
    """What a model costs for a row, in USD."""
    book, labels = PriceBook(), sorted({row["category"] for row in rows})
    prompt = sum(len(label) + 1 for label in labels)

    def usd(model: str, row: Row) -> float:
        provider, name = MODELS[model]
        usage = TokenUsage(
            uncached_input=(prompt + len(row["title"])) // CHARACTERS_PER_TOKEN,
            cached_input=0,
            cache_write=0,
            answer=len(row[f"{model}_prediction"]) // CHARACTERS_PER_TOKEN + 1,
            reasoning=0,
        )
        price = book.price(usage, provider=provider, model=name, on=PRICED_ON).usd
        assert price is not None, f"{provider}:{name} has no price"
        return float(price)

    return usd


def pairs(rows: Sequence[Row], *, cheap: str, better: str, usd: Usd, seed: int) -> list[RoutePair]:
    """The pairs of two thirds of the rows, their confidence learned from the third that is left out."""
    numbers = list(range(len(rows)))
    Random(seed).shuffle(numbers)
    learned, rest = numbers[: len(rows) // 3], numbers[len(rows) // 3 :]
    confidence = _confidence_by_label([rows[number] for number in learned], cheap)
    return [
        RoutePair(
            record_id=str(number),
            confidence=confidence(rows[number][f"{cheap}_prediction"]),
            cheap_correct=rows[number][f"{cheap}_prediction"] == rows[number]["category"],
            better_correct=rows[number][f"{better}_prediction"] == rows[number]["category"],
            cheap_usd=usd(cheap, rows[number]),
            better_usd=usd(better, rows[number]),
        )
        for number in rest
    ]


def outcomes(rows: Sequence[Row], *, cheap: str, better: str, goal: Goal, splits: int) -> Iterator[Outcome]:
    """One outcome for each random split."""
    usd = prices(rows)
    for seed in range(splits):
        yield outcome(pairs(rows, cheap=cheap, better=better, usd=usd, seed=seed), goal, seed=seed)


def outcome(found: Sequence[RoutePair], goal: Goal, *, seed: int) -> Outcome:
    """The fit of one split and its fresh half."""
    fitted = fit(found, goal, seed=seed)
    if fitted.chosen is None or fitted.held_out is None:
        return Outcome(fit=fitted, difference=0.0, escalated=1.0, saved=0.0)
    price = cascade_price(halves(found, seed=seed)[1], fitted.chosen.threshold)
    return Outcome(
        fit=fitted,
        difference=fitted.held_out.reached[1],
        escalated=price.escalated.value,
        saved=price.saved.value if price.saved is not None else 0.0,
    )


def misses(rows: Sequence[Row], *, cheap: str, better: str, goal: Goal, draws: int) -> Iterator[bool]:
    """For each draw: whether the fitted threshold misses the goal, which here is known.

    The records are taken for the whole population and the sample is drawn from them with replacement, so that every
    threshold's true quality is that over the records, and the stated error can be counted.
    """
    population = pairs(rows, cheap=cheap, better=better, usd=lambda model, row: 0.0, seed=0)
    truth, chance = CascadeOutcomes(population), Random(1)
    for _ in range(draws):
        drawn = chance.choices(population, k=len(population))
        fitted = fit([replace(pair, record_id=str(place)) for place, pair in enumerate(drawn)], goal)
        difference = truth.at(fitted.chosen.threshold).reached[1] if fitted.chosen is not None else 0.0
        yield difference < -(goal.within or 0.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each cascade; 0 when the goal was missed no more often than stated and money was saved."""
    parser = argparse.ArgumentParser(description="Fitted cascades on real answers.")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--within", type=float, default=0.02)
    parser.add_argument("--error", type=float, default=0.05)
    options = parser.parse_args(arguments)
    if not PRODUCTS.is_file():
        say(f"no data at {PRODUCTS}: nothing was measured")
        return 0
    rows, goal = products(), Goal(within=options.within, error=options.error)
    say(
        f"{len(rows)} records, {options.splits} splits, at most {goal.within:g} below the better model, error {goal.error:g}"
    )
    say("cascade | no threshold | goal missed where the truth is known | held on fresh half | confirmed / inconclusive / refuted"
          " | difference, mean | escalated | saved, mean (5% to 95%)")  # fmt: skip
    return max(_line(rows, cheap, better, goal, options.splits) for cheap, better in CASCADES)


def _line(rows: Sequence[Row], cheap: str, better: str, goal: Goal, splits: int) -> int:
    found = list(outcomes(rows, cheap=cheap, better=better, goal=goal, splits=splits))
    verdicts = [one.fit.verdict for one in found]
    saved = sorted(one.saved for one in found)
    none = sum(one.fit.chosen is None for one in found) / splits
    missed = sum(misses(rows, cheap=cheap, better=better, goal=goal, draws=splits)) / splits
    say(
        f"{cheap} -> {better} | {none:.1%} | {missed:.1%} | {sum(one.held for one in found) / splits:.1%} | "
        f"{verdicts.count('confirmed')} / {verdicts.count('inconclusive')} / {verdicts.count('refuted')} | "
        f"{statistics.fmean(one.difference for one in found):+.4f} | "
        f"{statistics.fmean(one.escalated for one in found):.1%} | {statistics.fmean(saved):.1%} "
        f"({saved[len(saved) // 20]:.1%} to {saved[-1 - len(saved) // 20]:.1%})"
    )
    return 0 if missed <= goal.error + 2 * (goal.error / splits) ** 0.5 and statistics.fmean(saved) > 0 else 1


def _confidence_by_label(rows: Sequence[Row], model: str) -> Callable[[str], float]:
    """How often the model was right when it gave a label, drawn towards its overall rate where there are few."""
    right: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        right[row[f"{model}_prediction"]].append(row[f"{model}_prediction"] == row["category"])
    overall = sum(sum(hits) for hits in right.values()) / len(rows)
    rates = {label: (sum(hits) + PRIOR_WEIGHT * overall) / (len(hits) + PRIOR_WEIGHT) for label, hits in right.items()}
    return lambda label: rates.get(label, overall)


if __name__ == "__main__":
    sys.exit(main())
