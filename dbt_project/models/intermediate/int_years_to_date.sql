with indicator_values as (

    select
        *,
        {{ series_level() }} as series_level,
        make_date(
            year(period_start) - case when month(period_start) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start,
        {{ period_length('period_type') }} as period_length
    from {{ ref('fct_indicator_values') }}
    where is_preferred and {{ is_additive('unit') }}

),

indicators as (

    select * from {{ ref('indicators') }}

),

flows as (

    select indicator_values.*
    from indicator_values
    inner join indicators using (indicator_id)
    where not indicators.is_stock

),

-- Months where the year has any, else quarters.
parts as (

    select *
    from flows
    where period_type in ('month', 'quarter')
    qualify period_type = min(period_type) over (
        partition by indicator_id, org_code, series_level, financial_year_start
    )

),

running as (

    select
        *,
        generate_series(financial_year_start, period_start, period_length) as expected_starts,
        list(case when value is not null then period_start end) over year_so_far as starts_held,
        sum(value::decimal(18, 6)) over year_so_far as sum_so_far,
        bool_or(is_provisional) over year_so_far as has_provisional,
        list(caveat) over year_so_far as caveats,
        list(extract_ids) over year_so_far as extracts_so_far
    from parts
    window year_so_far as (
        partition by indicator_id, org_code, series_level, financial_year_start
        order by period_start
        rows between unbounded preceding and current row
    )

),

summed as (

    select
        indicator_id,
        org_code,
        series_level,
        financial_year_start,
        period_end,
        period_type,
        list_filter(
            expected_starts, expected -> not list_contains(starts_held, expected::date)
        ) as missing_starts,
        case when len(missing_starts) = 0 then sum_so_far end as value,
        has_provisional as is_provisional,
        nullif(array_to_string(list_sort(list_distinct(caveats)), '; '), '') as caveat,
        list_sort(list_distinct(flatten(extracts_so_far))) as extract_ids
    from running

),

stated as (

    select
        indicator_id,
        org_code,
        series_level,
        financial_year_start,
        period_end,
        value::decimal(18, 6) as value,
        is_provisional,
        caveat,
        extract_ids
    from flows
    where period_type = 'ytd' and value is not null

),

joined as (

    select
        indicator_id,
        org_code,
        series_level,
        financial_year_start,
        period_end,
        datediff('month', financial_year_start, period_end) + 1 as months_elapsed,
        coalesce(stated.value, summed.value)::decimal(18, 6) as actual_to_date,
        coalesce(stated.is_provisional, summed.is_provisional) as is_provisional,
        nullif(concat_ws(
            '; ',
            case
                when stated.value is null and len(summed.missing_starts) > 0
                    then 'no year to date: no figures for ' || array_to_string(
                        list_transform(
                            summed.missing_starts,
                            missing -> case summed.period_type when 'quarter' then 'the quarter from ' else '' end
                            || strftime(missing, '%B %Y')
                        ), ', '
                    )
            end,
            case
                when stated.value <> summed.value
                    then 'the months add up to ' || summed.value::double || ', not to the ' || stated.value::double
                    || ' stated for the year to date'
            end,
            case when stated.value is not null then stated.caveat else summed.caveat end
        ), '') as caveat,
        case when stated.value is not null then stated.extract_ids else summed.extract_ids end as extract_ids
    from summed
    full join stated using (indicator_id, org_code, series_level, financial_year_start, period_end)

),

last_years as (

    select
        indicator_id,
        org_code,
        series_level,
        (financial_year_start + interval 1 year)::date as financial_year_start,
        months_elapsed,
        actual_to_date,
        max(case when months_elapsed = 12 then actual_to_date end) over (
            partition by indicator_id, org_code, series_level, financial_year_start
        ) as actual_of_year
    from joined

)

select
    joined.*,
    last_years.actual_to_date as last_year_to_date,
    last_years.actual_of_year as last_year_total
from joined
left join last_years
    using (indicator_id, org_code, series_level, financial_year_start, months_elapsed)
