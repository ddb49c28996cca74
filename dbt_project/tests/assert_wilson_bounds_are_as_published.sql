-- Bounds of the 95% Wilson score interval to seven digits; NULL without trials.
with

published as (

    select
        8 as successes,
        10 as trials,
        0.4901625 as low,
        0.9433178 as high,

    union all

    select
        0 as successes,
        20 as trials,
        0.0 as low,
        0.1611252 as high,

    union all

    select
        0 as successes,
        0 as trials,
        null as low,
        null as high,

),

computed as (

    select
        *,
        {{ wilson_bound('successes', 'trials', 'low') }} as computed_low,
        {{ wilson_bound('successes', 'trials', 'high') }} as computed_high,
    from published

)

select *
from computed
where
    (trials = 0 and (computed_low is not null or computed_high is not null))
    or (
        trials > 0
        and (
            coalesce(abs(computed_low - low) > 1e-7, true)
            or coalesce(abs(computed_high - high) > 1e-7, true)
        )
    )
