"""The command that plans a gate before it is run: power."""

from __future__ import annotations

from typing import Any

import click

from assay.cli.opening import opened_project

MOST = 10_000_000


@click.command()
@click.argument("task")
@click.option("--n", type=click.IntRange(1, MOST), help="Records for each rule, in place of the gate split's cases.")
@click.option(
    "--discordance",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Records on which the variants differ; without it as last compared, else 0.10.",
)
@click.option(
    "--difference",
    type=click.FloatRange(-1, 1),
    metavar="D",
    help="True difference, candidate minus champion, whose chances are shown too: -0.05 is 5 points worse.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="True rate for rules on a rate; without it as last measured.",
)
@click.option(
    "--clusters", type=click.IntRange(2, MOST), metavar="G", help="Clusters that the records lie in, such as customers."
)
@click.option(
    "--design-effect",
    type=click.FloatRange(1),
    default=1.0,
    show_default=True,
    metavar="X",
    help="How many times more records are needed because those of a cluster are alike.",
)
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def power(task: str, style: str, **options: Any) -> None:
    """Say what the gate can find on so many records, and how many it needs."""
    from assay.evaluation.power.plan_gate import PowerOptions, plan_gate
    from assay.evaluation.power.render import PLAIN_COLUMNS, facts, plain_rows, tables
    from assay.terminal.output import note, write_rows, write_table

    plan = plan_gate(opened_project(), task, PowerOptions(**options))
    if style == "table":
        for title, columns, rows in tables(plan):
            write_table(columns, rows, title=title)
    else:
        write_rows(PLAIN_COLUMNS, plain_rows(plan), style=style)
    for line in facts(plan):
        note(line)
