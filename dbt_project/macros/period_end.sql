{#- The last day of a month or quarter that begins on `period_start`. -#}
{% macro period_end(period_type, period_start) -%}
    ({{ period_start }} + {{ period_length(period_type) }} - interval 1 day)::date
{%- endmacro %}

{% macro period_length(period_type) -%}
    case {{ period_type }} when 'quarter' then interval 3 month else interval 1 month end
{%- endmacro %}
