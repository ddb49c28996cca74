{#
    Predicate of an incremental fact: the days with rows in `relations` that landed after the fact's
    newest landed_at less `lookback_days`. Such a day is recomputed as a whole, so that late scores,
    re-runs and backfills of old days are included, and a second build changes nothing.
    Each relation needs data_date and landed_at. Erased rows leave a fact with --full-refresh only.
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
