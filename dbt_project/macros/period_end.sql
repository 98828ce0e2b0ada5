{#- The last day of a period that begins on `period_start`; a year to date ends where its row says. -#}
{% macro period_end(period_type, period_start) -%}
    ({{ period_start }} + {{ period_length(period_type) }} - interval 1 day)::date
{%- endmacro %}

{% macro period_length(period_type) -%}
    case {{ period_type }}
            when 'week' then interval 7 day
            when 'quarter' then interval 3 month
            when 'financial_year' then interval 12 month
            when 'calendar_year' then interval 12 month
            else interval 1 month
        end
{%- endmacro %}
