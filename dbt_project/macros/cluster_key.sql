{# The cluster of a prediction within its tenant; a record without a cluster is a cluster of its own. #}
{% macro cluster_key(predictions) -%}
    case
            when {{ predictions }}.cluster_id is null
                then concat({{ predictions }}.tenant_id, ' record ', {{ predictions }}.record_id)
            else concat({{ predictions }}.tenant_id, ' cluster ', {{ predictions }}.cluster_id)
        end
{%- endmacro %}
