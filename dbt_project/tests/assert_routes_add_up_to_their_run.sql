-- Predictions of all routes add up to those of the run; each escalation has one kind of reason.
with

routing as (

    select
        run_id,
        sum(n_answers) as n_answers,
        sum(n_wire) as n_wire,
        countif(
            n_escalated
            != n_escalated_no_valid_answer + n_escalated_check + n_escalated_confidence
        ) as n_unexplained,
    from {{ ref('rpt_routing') }}
    group by run_id

),

caching as (

    select * from {{ ref('rpt_caching') }}

)

select
    caching.run_id,
    caching.n_sourced,
    routing.n_answers,
    caching.n_wire,
    routing.n_wire as n_wire_of_routes,
    routing.n_unexplained,
from caching
left join routing
    on caching.run_id = routing.run_id
where
    caching.n_sourced != coalesce(routing.n_answers, 0)
    or caching.n_wire != coalesce(routing.n_wire, 0)
    or coalesce(routing.n_unexplained, 0) > 0
