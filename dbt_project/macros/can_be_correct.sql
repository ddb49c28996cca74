{# True for a prediction with an output, and for a fallback if the task declares that it counts. #}
{% macro can_be_correct(status) -%}
    {{ status }} in ('ok', 'repaired')
        or (
            {{ status }} = 'fallback' and coalesce(task_versions.fallback_counts, false)
        )
{%- endmacro %}
