-- Every request of a batch is open, answered, failed or missing; every batch is in one state.
select
    run_id,
    provider,
    n_requests,
    n_open_requests,
    n_lines_answered,
    n_lines_failed,
    n_lines_missing,
from {{ ref('rpt_batches') }}
where
    n_requests != n_open_requests + n_lines_answered + n_lines_failed + n_lines_missing
    or n_batches != n_intended + n_submitted + n_finished + n_landed + n_abandoned
