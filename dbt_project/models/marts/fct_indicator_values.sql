with counts as (

    select
        *,
        -- CCG and sub-ICB location, STP and ICB: one series each, under the name of the time.
        {{ series_level() }} as series_level,
        make_date(
            year(period_start) - case when month(period_start) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start,
        {{ period_length('period_type') }} as period_length,
        {{ period_end('period_type', 'period_start') }} as period_end
    from {{ ref('int_indicator_counts') }}
    where {{ is_current() }}

),

indicators as (

    select * from {{ ref('indicators') }}

),

months_held as (

    select
        indicator_id,
        series_level,
        period_type,
        financial_year_start,
        list(distinct period_start) as months
    from counts
    group by all

),

months_seen as (

    select
        dataset,
        org_code,
        series_level,
        period_type,
        financial_year_start,
        list(distinct period_start) as months
    from counts
    group by all

),

months_and_quarters as (

    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        numerator,
        denominator,
        edition,
        edition = 'provisional' as is_provisional,
        caveat,
        extract_ids
    from counts

),

running as (

    select
        counts.*,
        indicators.is_stock,
        list(counts.period_start) over year_so_far as own_months,
        sum(counts.numerator) over year_so_far as numerator_so_far,
        sum(counts.denominator) over year_so_far as denominator_so_far,
        bool_or(counts.numerator is null) over year_so_far as has_month_without_value,
        list(counts.edition) over year_so_far as editions,
        list(counts.caveat) over year_so_far as caveats,
        list(counts.extract_ids) over year_so_far as extracts_so_far,
        generate_series(counts.financial_year_start, counts.period_start, counts.period_length) as expected_months
    from counts
    inner join indicators using (indicator_id)
    window year_so_far as (
        partition by
            counts.indicator_id, counts.series_level, counts.org_code, counts.period_type, counts.financial_year_start
        order by counts.period_start
        rows between unbounded preceding and current row
    )

),

year_so_far as (

    select
        running.*,
        -- A CCG absent from a cancer sheet had no patients that month, as long as the sheet is held and it is on others.
        list_filter(
            running.expected_months,
            expected -> not list_contains(running.own_months, expected::date)
            and not (
                running.dataset = 'cancer'
                and list_contains(months_held.months, expected::date)
                and list_contains(months_seen.months, expected::date)
            )
        ) as missing_months,
        running.has_month_without_value or len(missing_months) > 0 as is_incomplete
    from running
    inner join months_held using (indicator_id, series_level, period_type, financial_year_start)
    inner join months_seen using (dataset, org_code, series_level, period_type, financial_year_start)

),

years_to_date as (

    select
        indicator_id,
        org_code,
        org_level,
        'ytd' as period_type,
        financial_year_start as period_start,
        period_end,
        case when is_stock then numerator when not is_incomplete then numerator_so_far end as numerator,
        case when is_stock then denominator when not is_incomplete then denominator_so_far end as denominator,
        case
            when is_stock or len(list_distinct(editions)) = 1 then edition
            else 'mixed'
        end as edition,
        case when is_stock then edition = 'provisional' else list_contains(editions, 'provisional') end
            as is_provisional,
        case
            when is_stock
                then concat_ws('; ', 'a count at the end of the month: the latest month stands for the year', caveat)
            else nullif(concat_ws(
                '; ',
                case
                    when len(missing_months) > 0
                        then 'no year to date: no figures for ' || array_to_string(
                            list_transform(
                                missing_months,
                                missing -> case period_type when 'quarter' then 'the quarter from ' else '' end
                                || strftime(missing, '%B %Y')
                            ), ', '
                        )
                end,
                case when has_month_without_value then 'no year to date: a month has no value' end,
                nullif(array_to_string(list_sort(list_distinct(caveats)), '; '), '')
            ), '')
        end as caveat,
        case when is_stock then extract_ids else list_sort(list_distinct(flatten(extracts_so_far))) end as extract_ids
    from year_so_far

),

periods as (

    select * from months_and_quarters
    union all
    select * from years_to_date

),

reported as (

    select * from {{ ref('int_reported_values') }}
    where {{ is_current() }}

),

worked_out as (

    select * from {{ ref('int_worked_out_values') }}

),

valued as (

    select
        periods.indicator_id,
        periods.org_code,
        periods.org_level,
        periods.period_type,
        periods.period_start,
        periods.period_end,
        'derived' as source,
        periods.numerator,
        periods.denominator,
        {{ indicator_value('periods.numerator', 'periods.denominator', 'indicators.unit') }} as value,
        indicators.unit,
        periods.edition,
        periods.is_provisional,
        nullif(concat_ws(
            '; ',
            case when indicators.unit = 'percent' and periods.denominator = 0 then 'no value: nobody to count' end,
            periods.caveat
        ), '') as caveat,
        periods.extract_ids
    from periods
    inner join indicators using (indicator_id)

    union all

    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        'derived' as source,
        numerator,
        denominator,
        value,
        unit,
        edition,
        is_provisional,
        caveat,
        extract_ids
    from worked_out

    union all

    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        'reported' as source,
        numerator,
        denominator,
        value,
        unit,
        edition,
        is_provisional,
        caveat,
        [extract_id] as extract_ids
    from reported

)

select
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    -- The derived value, or the reported one where there is no derived.
    row_number() over (
        partition by indicator_id, org_code, org_level, period_type, period_start, period_end
        order by value is null, source
    ) = 1 as is_preferred,
    numerator,
    denominator,
    value,
    unit,
    edition,
    is_provisional,
    caveat,
    extract_ids
from valued
