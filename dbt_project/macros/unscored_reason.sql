{# What limits an interval of the worst and the best case. #}
{% macro unscored_reason() -%}
    concat(
        cast(cast(n_unscored as int64) as string),
        ' of ',
        cast(cast(n_eligible as int64) as string),
        ' unscored: the value counts them as failures, the bounds as failures and as passes'
    )
{%- endmacro %}
