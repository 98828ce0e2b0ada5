{#- The thresholds of a finding, one column each, from the rows of `data_query_rules`. -#}
{% macro thresholds(finding, parameters) -%}
    {%- for parameter in parameters %}
        max(threshold) filter (where finding = '{{ finding }}' and parameter = '{{ parameter }}') as {{ parameter }}
        {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- What makes the figures of `int_query_points` one series. -#}
{% macro series_columns(relation=none) -%}
    {%- for column in ['dataset', 'indicator_id', 'org_code', 'series_level', 'source', 'period_type', 'observed'] -%}
        {{ relation ~ '.' if relation }}{{ column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- A figure as text with at most two decimals, thousands separated: 1,234 or 68.9 or 0.85. -#}
{% macro figure_in_words(figure) -%}
    regexp_replace(regexp_replace(format('{:,.2f}', ({{ figure }})::double), '(\.\d)0$', '\1'), '\.0$', '')
{%- endmacro %}

{#- A period as text: March 2018, the quarter from April 2018, the week to 7 April 2019, 2016/17. -#}
{% macro period_in_words(period_type, period_start, period_end) -%}
    case {{ period_type }}
        when 'month' then strftime({{ period_start }}, '%B %Y')
        when 'quarter' then 'the quarter from ' || strftime({{ period_start }}, '%B %Y')
        when 'week' then 'the week to ' || strftime({{ period_end }}, '%-d %B %Y')
        when 'financial_year' then strftime({{ period_start }}, '%Y') || '/' || strftime({{ period_end }}, '%y')
        else strftime({{ period_start }}, '%B %Y') || ' to ' || strftime({{ period_end }}, '%B %Y')
    end
{%- endmacro %}

{#- The dataset that a figure came in: a return, or the extract that its indicator is derived from. -#}
{% macro dataset_of_figure(source, dataset) -%}
    case {{ source }} when 'reported' then 'local_returns' else {{ dataset }} end
{%- endmacro %}

{#- The last digit in which figures are given, over a group or window: 5 where all are rounded to 5, else 1, 0.1 or 0.01. -#}
{% macro last_digit(figure, is_counted, over='') -%}
    case
            when bool_and({{ is_counted }} and {{ figure }} % 5 = 0) {{ over }} then 5
            when bool_and({{ figure }} = round({{ figure }}, 0)) {{ over }} then 1
            when bool_and({{ figure }} = round({{ figure }}, 1)) {{ over }} then 0.1
            else 0.01
        end
{%- endmacro %}
