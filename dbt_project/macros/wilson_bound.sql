{#
    Lower or upper bound of the two-sided 95% Wilson score interval for `successes` of `trials`
    (Wilson 1927).
    z is the 0.975 quantile of the standard normal. NULL where there are no trials.
#}
{% macro wilson_bound(successes, trials, side) -%}
    {%- set z = '1.959963984540054' -%}
    {%- set z2 = '(1.959963984540054 * 1.959963984540054)' -%}
    {%- set sign = '-' if side == 'low' else '+' -%}
    {%- set share = 'safe_divide(' ~ successes ~ ', ' ~ trials ~ ')' -%}
    (
        {{ share }} + {{ z2 }} / 2 * safe_divide(1, {{ trials }})
        {{ sign }} {{ z }} * sqrt(
            (
                {{ share }} * (1 - {{ share }})
                + {{ z2 }} / 4 * safe_divide(1, {{ trials }})
            ) * safe_divide(1, {{ trials }})
        )
    ) / (1 + {{ z2 }} * safe_divide(1, {{ trials }}))
{%- endmacro %}
