"""Statement of the costs and outcomes of one run by cluster, for the interval of the cost per correct prediction."""

from __future__ import annotations

from assay.report.queries.expressions import JUDGED, OF_VERSION, RESPONSES
from assay.warehouse.statement import Statement, over

CLUSTER_COSTS = Statement(
    over(
        *JUDGED,
        RESPONSES,
        then=""",

    paid as (
        select
            request_key,
            sum(coalesce(cost_usd, 0)) as cost_usd,
            sum(coalesce(cost_usd, cost_upper_usd, 0)) as cost_upper_usd
        from calls
        where purpose != 'judge'
        group by request_key
    ),

    -- Predictions with the same request share its cost. A record without a cluster is a cluster of its own.
    requested as (
        select
            judged.tenant_id as tenant_id,
            judged.record_id as record_id,
            judged.is_eligible as is_eligible,
            judged.is_correct as is_correct,
            if(
                judged.cluster_id is null,
                concat(judged.tenant_id, ' record ', judged.record_id),
                concat(judged.tenant_id, ' cluster ', judged.cluster_id)
            ) as cluster_key,
            cast(
                if(
                    answers.answer_source = 'adopted',
                    answers.adopted_cost_usd,
                    paid.cost_usd / count(*) over (partition by answers.request_key)
                ) as float64
            ) as cost_usd,
            cast(
                if(
                    answers.answer_source = 'adopted',
                    answers.adopted_cost_usd,
                    paid.cost_upper_usd / count(*) over (partition by answers.request_key)
                ) as float64
            ) as cost_upper_usd
        from judged
        inner join answers
            on judged.prediction_id = answers.prediction_id
        left join paid
            on answers.request_key = paid.request_key
        where judged.outcome != 'skipped_budget'
    ),

    n_clusters as (
        select count(distinct cluster_key) as n
        from requested
    ),

    -- Of very many clusters, 4096 random groups show the same variance: Wolter, Introduction to Variance Estimation,
    -- Springer 2007, chapter 2.
    grouped as (
        select
            requested.*,
            if(n_clusters.n > 5000, substr(to_hex(sha256(cluster_key)), 1, 3), cluster_key) as group_key
        from requested
        cross join n_clusters
    )

    select
        count(*) as n_requests,
        count(distinct concat(tenant_id, ' ', record_id)) as n_records,
        countif(is_eligible) as n_eligible,
        countif(is_eligible and is_correct) as n_correct,
        countif(is_eligible and is_correct is null) as n_unscored,
        sum(cost_usd) as cost_usd,
        sum(cost_upper_usd) as cost_upper_usd
    from grouped
    group by group_key
    order by group_key
    """,
    ),
    OF_VERSION,
)
"""One row per cluster; its sums are the counts and the inference cost of `rpt_cost_per_correct`."""
