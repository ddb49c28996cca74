{#
    One row for each key, so that at-least-once landing reads exactly-once.
    `keep` is the rule of the table's schema file: first or latest by landed_at, then occurred_at;
    row_hash settles what is left, so that every read picks the same row.
#}
{% macro deduplicate_landing(relation, key, keep) -%}
    {%- if keep not in ('first', 'latest') -%}
        {{ exceptions.raise_compiler_error("deduplicate_landing: keep is '" ~ keep ~ "', expected first or latest") }}
    {%- endif -%}
    {%- set direction = 'asc' if keep == 'first' else 'desc' -%}
    select *
    from {{ relation }}
    where true
    qualify
        row_number() over (
            partition by {{ key | join(', ') }}
            order by
                landed_at {{ direction }},
                occurred_at {{ direction }},
                row_hash {{ direction }}
        ) = 1
{%- endmacro %}
