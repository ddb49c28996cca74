-- Each output has one source, and each prediction at most one output.
select
    run_id,
    n_predictions,
    n_sourced,
    n_wire,
    n_exact_cache,
    n_semantic_cache,
    n_reused,
from {{ ref('rpt_caching') }}
where
    n_wire + n_exact_cache + n_semantic_cache + n_reused != n_sourced
    or n_sourced > n_predictions
    or cached_input_tokens > input_tokens
