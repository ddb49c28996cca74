-- Reserved money is settled or still open, and only a settled lease can have expired.
select
    month,
    task,
    n_leases,
    n_open_leases,
    n_expired_leases,
    reserved_usd,
    open_reserved_usd,
from {{ ref('rpt_budget') }}
where
    n_expired_leases > n_leases - n_open_leases
    or open_reserved_usd > reserved_usd
    or (n_open_leases = 0 and open_reserved_usd != 0)
