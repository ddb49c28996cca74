"""SQL of plans: the latest comparisons and rates of a task, from which assumptions are taken."""

from __future__ import annotations

from assay.warehouse.statement import Statement

LATEST_COMPARISONS = Statement(
    """
    select metric, slice, n, gains, losses, candidate_variant, champion_variant, data_date
    from comparisons
    where task = @task and population = @population and perturbation is null
    qualify row_number() over (
        partition by metric, slice
        -- The comparison with a champion comes before those of several variants with each other.
        order by if(family_size is null, 0, 1), occurred_at desc, landed_at desc, comparison_id
    ) = 1
    """,
    (("task", "STRING"), ("population", "STRING")),
)

LATEST_RATES = Statement(
    """
    select coalesce(scorer, metric) as metric, slice, value, n, data_date
    from estimates
    where
        task = @task
        and population = @population
        and (
            metric in ('reliability', 'pass_rate')
            or starts_with(metric, 'pass_at_')
            or starts_with(metric, 'pass_hat_')
        )
        and value is not null
    qualify row_number() over (
        partition by metric, scorer, slice
        order by occurred_at desc, landed_at desc
    ) = 1
    """,
    (("task", "STRING"), ("population", "STRING")),
)

LATEST_MEANS = Statement(
    """
    select scorer as metric, slice, value, n, run_id, data_date, cast(json_value(details, '$.sd') as float64) as sd
    from estimates
    where
        task = @task
        and population = @population
        and metric = 'mean'
        and value is not null
        and json_value(details, '$.sd') is not null
    qualify row_number() over (
        partition by scorer, slice
        order by occurred_at desc, landed_at desc
    ) = 1
    """,
    (("task", "STRING"), ("population", "STRING")),
)
