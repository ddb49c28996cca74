-- Completed runs: rows read = rejected + records; records times epochs = predictions.
select
    run_id,
    rows_read,
    rows_rejected,
    records,
    epochs,
    expected_predictions,
    landed_records,
    landed_rejected,
    landed_predictions,
    missing_predictions,
from {{ ref('rpt_completeness') }}
where run_status = 'completed' and not is_complete
