{# True for the row that speaks for its scorer: of a judge with several opinions only their verdict, which has no epoch. #}
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
