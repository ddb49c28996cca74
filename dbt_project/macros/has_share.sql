{# True if the case of an estimate (worst or best), or its value without unscored rows, is this share. #}
{% macro has_share(estimates, case, share) -%}
    abs(coalesce({{ estimates }}.{{ case }}, {{ estimates }}.value) - {{ share }}) < 1e-9
{%- endmacro %}
