{# Dataset names start with the environment: dev_staging, dev_intermediate, dev_marts, dev_reporting. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- else -%}
        {{ env_var('ASSAY_ENV', 'dev') }}_{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
