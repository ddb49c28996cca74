{# Counts of predictions for a rate of first outcomes. #}
{% macro prediction_counts() -%}
    count(*) as n_predictions,
        countif(first_status = 'skipped_budget') as n_skipped,
        countif(first_status != 'skipped_budget' and not is_eligible) as n_unjudged,
        countif(is_eligible) as n_eligible,
        countif(is_eligible and is_correct) as n_correct,
        countif(is_eligible and not is_correct) as n_incorrect,
        countif(is_eligible and is_correct is null) as n_unscored,
        countif(is_eligible and is_answered) as n_answered,
        countif(is_eligible and is_answered and is_correct) as n_answered_correct,
        countif(is_eligible and is_answered and is_correct is not null) as n_answered_scored
{%- endmacro %}
