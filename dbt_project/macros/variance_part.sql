{# A variance component in an estimate's `details`: record, epoch, judge or total; NULL where there is none. #}
{% macro variance_part(details, part) -%}
    safe_cast(json_value({{ details }}, '$.variance.{{ part }}') as float64)
{%- endmacro %}
