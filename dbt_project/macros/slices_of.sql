{# Each prediction once for 'overall', and once for each of its slices. #}
{% macro slices_of(predictions) -%}
    select
        prediction_id,
        'overall' as slice,
    from {{ predictions }}

    union all

    select distinct
        {{ predictions }}.prediction_id,
        slice,
    from {{ predictions }}
    cross join unnest({{ predictions }}.slices) as slice
{%- endmacro %}
