{#- A period as the heading of a column: May 2019, 2018/19 Q4, 2018/19, week to 7 April 2019, April to July 2019, 2015. -#}
{% macro period_label(period_type, period_start, period_end) -%}
    {%- set quarter -%} ((month({{ period_start }}) + 8) % 12 // 3 + 1) {%- endset -%}
    {%- set first_year -%} (year({{ period_start }}) - case when month({{ period_start }}) < 4 then 1 else 0 end) {%- endset -%}
    {%- set year -%} {{ first_year }} || '/' || lpad((({{ first_year }} + 1) % 100)::varchar, 2, '0') {%- endset -%}
    case {{ period_type }}
        when 'month' then strftime({{ period_start }}, '%B %Y')
        when 'quarter' then {{ year }} || ' Q' || {{ quarter }}
        when 'financial_year' then {{ year }}
        when 'calendar_year' then strftime({{ period_start }}, '%Y')
        when 'week' then 'week to ' || strftime({{ period_end }}, '%-d %B %Y')
        else strftime({{ period_start }}, '%B') || ' to ' || strftime({{ period_end }}, '%B %Y')
    end
{%- endmacro %}
