{#
    Keeps one row per key, because landing is at-least-once.
    `keep` comes from the table's schema file: the first or the latest row by landed_at, then
    occurred_at. row_hash breaks remaining ties, so that every read picks the same row.
    Rows for which the condition `prefer` holds go first: a run that completed stays completed.
#}
{% macro deduplicate_landing(relation, key, keep, prefer=none) -%}
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
                {% if prefer -%}
                if({{ prefer }}, 0, 1) asc,
                {% endif -%}
                landed_at {{ direction }},
                occurred_at {{ direction }},
                row_hash {{ direction }}
        ) = 1
{%- endmacro %}
