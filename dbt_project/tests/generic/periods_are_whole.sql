{#- Every period begins and ends as its type says: years and quarters on the first of a month, a
    week after seven days, a year to date with a month of its year. -#}
{% test periods_are_whole(model) %}
    select period_type, period_start, period_end
    from {{ model }}
    where
        period_end <> case period_type
            when 'calendar_year' then (period_start + interval 1 year - interval 1 day)::date
            when 'ytd' then least(last_day(period_end), (period_start + interval 1 year - interval 1 day)::date)
            else {{ period_end('period_type', 'period_start') }}
        end
        or (period_type <> 'week' and day(period_start) <> 1)
        or (period_type in ('financial_year', 'ytd') and month(period_start) <> 4)
        or (period_type = 'calendar_year' and month(period_start) <> 1)
        or (period_type = 'quarter' and month(period_start) not in (1, 4, 7, 10))
{% endtest %}
