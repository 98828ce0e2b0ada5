with indicators as (

    select * from {{ ref('indicators') }}

),

planned_series as (

    select distinct
        indicator_id,
        org_code,
        series_level
    from {{ ref('int_planned_values') }}

),

-- What is planned or returned, and activity, which is set beside the year before where nothing is planned.
indicator_values as (

    select
        reported_or_derived.*,
        make_date(
            year(period_start) - case when month(period_start) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start,
        {{ period_length('period_type') }} as period_length,
        case
            when indicators.is_stock then 'stock'
            when {{ is_additive('indicators.unit') }} then 'flow'
            when indicators.unit = 'rate_per_100000' then 'rate'
            else 'share'
        end as measured_as,
        {{ value_factor('indicators.unit') }} as value_factor
    from (
        select
            *,
            {{ series_level() }} as series_level
        from {{ ref('fct_indicator_values') }}
        where is_preferred
    ) as reported_or_derived
    inner join indicators using (indicator_id)
    left join planned_series using (indicator_id, org_code, series_level)
    where
        planned_series.indicator_id is not null
        or indicators.indicator_set = 'activity'
        or indicators.dataset = 'local_returns'

),

-- Months where the year has any, else quarters.
parts as (

    select *
    from indicator_values
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
        list(case when numerator is not null and denominator is not null then period_start end) over year_so_far
            as starts_with_parts,
        sum(value::decimal(18, 6)) over year_so_far as sum_so_far,
        sum(numerator) over year_so_far as numerator_so_far,
        sum(denominator) over year_so_far as denominator_so_far,
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

gaps as (

    select
        *,
        list_filter(
            expected_starts, expected -> not list_contains(starts_held, expected::date)
        ) as missing_starts,
        list_filter(
            starts_held, held -> held is not null and not list_contains(starts_with_parts, held)
        ) as starts_without_parts
    from running

),

summed as (

    select
        indicator_id,
        org_code,
        series_level,
        financial_year_start,
        period_end,
        period_type,
        measured_as,
        case measured_as
            when 'stock' then numerator
            when 'share' then case when len(missing_starts) + len(starts_without_parts) = 0 then numerator_so_far end
        end as numerator,
        case measured_as
            when 'stock' then denominator
            when 'share' then case when len(missing_starts) + len(starts_without_parts) = 0 then denominator_so_far end
        end as denominator,
        case measured_as
            when 'stock' then value::decimal(18, 6)
            when 'flow' then case when len(missing_starts) = 0 then sum_so_far end
            when 'share' then (
                value_factor * case when len(missing_starts) + len(starts_without_parts) = 0 then numerator_so_far end
                / nullif(denominator_so_far, 0)
            )::decimal(18, 6)
        end as value,
        case measured_as when 'stock' then is_provisional else has_provisional end as is_provisional,
        nullif(concat_ws(
            '; ',
            case when measured_as = 'stock' then 'a count at the end of the month: the latest month stands for the year' end,
            case
                when measured_as = 'rate'
                    then 'no year to date: the rates of months are not those of a year, and none is returned for the year '
                    || 'to date'
                when measured_as <> 'stock' and len(missing_starts) > 0
                    then 'no year to date: no figures for ' || {{ periods_in_words('missing_starts', 'period_type') }}
                when measured_as = 'share' and len(starts_without_parts) > 0
                    then 'no year to date: returned without numerator and denominator for '
                    || {{ periods_in_words('starts_without_parts', 'period_type') }}
            end
        ), '') as reason,
        case
            when measured_as = 'stock' then caveat
            else nullif(array_to_string(list_sort(list_distinct(caveats)), '; '), '')
        end as caveat,
        case
            when measured_as = 'stock' then extract_ids else list_sort(list_distinct(flatten(extracts_so_far)))
        end as extract_ids
    from gaps

),

stated as (

    select
        indicator_id,
        org_code,
        series_level,
        financial_year_start,
        period_end,
        measured_as,
        case when measured_as <> 'flow' then numerator end as numerator,
        case when measured_as <> 'flow' then denominator end as denominator,
        value::decimal(18, 6) as value,
        is_provisional,
        caveat,
        extract_ids
    from indicator_values
    where period_type = 'ytd' and value is not null

),

joined as (

    select
        indicator_id,
        org_code,
        series_level,
        financial_year_start,
        period_end,
        coalesce(stated.measured_as, summed.measured_as) as measured_as,
        summed.period_type as part_type,
        datediff('month', financial_year_start, period_end) + 1 as months_elapsed,
        case when stated.value is not null then stated.numerator else summed.numerator end as numerator_to_date,
        case when stated.value is not null then stated.denominator else summed.denominator end as denominator_to_date,
        coalesce(stated.value, summed.value)::decimal(18, 6) as actual_to_date,
        coalesce(stated.is_provisional, summed.is_provisional) as is_provisional,
        nullif(concat_ws(
            '; ',
            case when stated.value is null then summed.reason end,
            case
                when stated.value <> summed.value and stated.measured_as = 'flow'
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
