{#
    Predicate of an incremental fact: the days on which anything it is made of landed since its own
    newest row, less `lookback_days`. Such a day is computed again as a whole, so that a late score, a
    re-run or a backfill of an old day is taken up, and running twice changes nothing.
    Each relation has data_date and landed_at. Erased rows leave a fact with --full-refresh only.
#}
{% macro in_touched_days(relations) -%}
    data_date in (
        {% for relation in relations -%}
        {% if not loop.first %}union all
        {% endif -%}
        select data_date
        from {{ relation }}
        where
            landed_at >= (
                select
                    timestamp_sub(
                        coalesce(max(landed_at), timestamp '1971-01-01 00:00:00+00'),
                        interval {{ var('lookback_days') }} day
                    )
                from {{ this }}
            )
        {% endfor -%}
    )
{%- endmacro %}
