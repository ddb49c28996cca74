{# True for the final score of a scorer: for a judge with several votes the verdict, which has no judge_epoch. #}
{% macro is_verdict(scores) -%}
    coalesce({{ scores }}.scorer_kind != 'judge', true)
    or {{ scores }}.judge_epoch is null
    or (
        count(*) over (
            partition by
                {{ scores }}.prediction_id, {{ scores }}.scorer, {{ scores }}.scorer_version
        ) = 1
    )
{%- endmacro %}
