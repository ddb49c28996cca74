{# Counts of scores for a pass rate, from rows of a score and its prediction. The score of a fallback value describes
   what was delivered, not the model. A rate counts first outcomes: a second chance does not turn a failure into a pass. #}
{% macro score_counts() -%}
    count(*) as n_judgements,
        countif(not is_answered) as n_no_output,
        countif(is_answered and status = 'scored') as n_scored,
        countif(is_answered and status = 'unscored') as n_unscored,
        countif(is_answered and status = 'failed') as n_failed,
        countif(is_answered and status = 'refused') as n_refused,
        countif(is_answered and is_passed) as n_passed,
        countif(is_answered and not is_decided) as n_undecided,
        countif(first_status = 'fallback') as n_fallback,
        countif(has_output and is_passed) as n_delivered_passed,
        countif(has_output and not is_decided) as n_delivered_undecided,
        coalesce(
            logical_or(gives = 'number'),
            countif(has_output and is_measured) > 0 and countif(has_output and is_decided) = 0
        ) as is_measure
{%- endmacro %}
