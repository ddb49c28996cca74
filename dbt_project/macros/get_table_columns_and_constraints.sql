{#
    The emulator's engine takes no column list in `create table … as`. There the contract is checked
    against the query alone; BigQuery gets the list, with its constraints and descriptions, as usual.
#}
{% macro bigquery__get_table_columns_and_constraints() -%}
    {%- if target.name != 'local' -%}
        {{ return(table_columns_and_constraints()) }}
    {%- endif -%}
{%- endmacro %}
