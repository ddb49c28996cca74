with

counts as (

    select * from {{ ref('stg_landing__answer_counts') }}

),

runs as (

    select * from {{ ref('int_runs_counted') }}

),

-- All counts of one scoring have the same time. A run that is scored again may have other classes,
-- so that its older counts are not replaced one by one.
newest as (

    select * from counts
    where true
    qualify occurred_at = max(occurred_at) over (partition by run_id)

),

final as (

    select
        newest.answer_count_id,
        runs.task,
        runs.variant,
        runs.data_date,
        newest.run_id,
        newest.population,
        newest.slice,
        newest.field,
        newest.scorer,
        newest.expected,
        newest.answered,
        newest.status as answer_status,
        newest.n,
        sum(newest.n) over cell as n_of_field,
        if(newest.expected is not null, sum(newest.n) over of_class, null) as n_expected,
        newest.expected = newest.answered as is_match,
    from newest
    inner join runs
        on newest.run_id = runs.run_id
    window
        cell as (
            partition by
                newest.run_id,
                newest.population,
                newest.slice,
                newest.field
        ),
        of_class as (
            partition by
                newest.run_id,
                newest.population,
                newest.slice,
                newest.field,
                newest.expected
        )

)

select * from final
