{#
    The emulator's engine accepts no column list in `create table … as`, so there the contract is
    checked against the query alone. BigQuery gets the list with its constraints and descriptions.
#}
{% macro bigquery__get_table_columns_and_constraints() -%}
    {%- if target.name != 'local' -%}
        {{ return(table_columns_and_constraints()) }}
    {%- endif -%}
{%- endmacro %}
