"""The power command: plans a gate before it is run."""

from __future__ import annotations

import click

from assay.cli.opening import opened_project
from assay.cli.option_types import BoundedInteger, FiniteNumber

MOST = 10_000_000


@click.command()
@click.argument("task")
@click.option(
    "--n", type=BoundedInteger(1, MOST), help="Number of records for each rule; default: the cases of the gate split."
)
@click.option(
    "--discordance",
    type=FiniteNumber(0, 1),
    metavar="SHARE",
    help="Share of records on which the variants differ; default: from the latest comparison or, without one, 0.10.",
)
@click.option(
    "--difference",
    type=FiniteNumber(-1, 1),
    metavar="D",
    help="True difference (candidate minus champion) for which to show verdict probabilities; -0.05: 5 points worse.",
)
@click.option(
    "--rate",
    type=FiniteNumber(0, 1),
    metavar="SHARE",
    help="True rate to assume for rules on a rate; default: the latest estimate.",
)
@click.option(
    "--mean",
    type=FiniteNumber(-1e12, 1e12),
    metavar="M",
    help="True mean to assume for rules on a mean; default: the latest estimate.",
)
@click.option(
    "--sd",
    type=FiniteNumber(1e-12, 1e12),
    metavar="S",
    help="Standard deviation of the numbers or, for no_regression, of the differences of the records.",
)
@click.option(
    "--clusters",
    type=BoundedInteger(2, MOST),
    metavar="G",
    help="Number of clusters (such as customers) among the records.",
)
@click.option(
    "--design-effect",
    type=FiniteNumber(1, MOST),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Factor by which clustering increases the number of records.",
)
@click.option(
    "--look",
    type=BoundedInteger(1, 10_000),
    default=1,
    show_default=True,
    metavar="K",
    help="Number of the look at the same gate cases; each look has a smaller share of the error rate.",
)
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def power(
    task: str,
    n: int | None,
    discordance: float | None,
    difference: float | None,
    rate: float | None,
    mean: float | None,
    sd: float | None,
    clusters: int | None,
    design_effect: float,
    look: int,
    style: str,
) -> None:
    """Compute the minimum detectable effect of each rule, and the number of records that it needs."""
    from assay.evaluation.power.plan_gate import PowerOptions, plan_gate
    from assay.evaluation.power.render import PLAIN_COLUMNS, facts, plain_rows, tables
    from assay.terminal.output import note, write_rows, write_table

    options = PowerOptions(
        n=n,
        discordance=discordance,
        difference=difference,
        rate=rate,
        mean=mean,
        sd=sd,
        clusters=clusters,
        design_effect=design_effect,
        look=look,
    )
    plan = plan_gate(opened_project(), task, options)
    if style == "table":
        for title, columns, rows in tables(plan):
            write_table(columns, rows, title=title)
    else:
        write_rows(PLAIN_COLUMNS, plain_rows(plan), style=style)
    for line in facts(plan):
        note(line)
