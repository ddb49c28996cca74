"""Statement of the costs and outcomes of one run by cluster, for the cost per correct prediction and its interval."""

from __future__ import annotations

from assay.report.queries.expressions import JUDGED, OF_VERSION
from assay.warehouse.call_costs import first_outcome_costs
from assay.warehouse.statement import Statement, over

CLUSTER_COSTS = Statement(
    over(
        *JUDGED,
        first_outcome_costs("task = @task and data_date between @first_day and @last_day"),
        then="""
    -- A record without a cluster is a cluster of its own.
    , requested as (
        select
            judged.tenant_id as tenant_id,
            judged.record_id as record_id,
            judged.is_correct as is_correct,
            if(
                judged.cluster_id is null,
                concat(judged.tenant_id, ' record ', judged.record_id),
                concat(judged.tenant_id, ' cluster ', judged.cluster_id)
            ) as cluster_key,
            first_costs.* except (prediction_id)
        from judged
        inner join first_costs
            on judged.prediction_id = first_costs.prediction_id
        where judged.is_eligible
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
        count(distinct concat(tenant_id, ' ', record_id)) as n_records,
        count(*) as n_eligible,
        countif(is_correct) as n_correct,
        countif(is_correct is null) as n_unscored,
        countif(cost_usd is null) as n_first_unpriced,
        sum(n_billing_unknown_calls) as n_first_billing_unknown_calls,
        sum(cost_usd) as first_cost_usd,
        sum(cost_upper_usd) as first_cost_upper_usd,
        sum(reference_cost_usd) as first_reference_cost_usd,
        sum(n_unreferenced) as n_first_unreferenced
    from grouped
    group by group_key
    order by group_key
    """,
    ),
    (*OF_VERSION, ("first_day", "DATE"), ("last_day", "DATE")),
)
"""One row per cluster of the eligible predictions; its sums are the counts and costs of first outcomes of `rpt_cost_per_correct`."""
