with comparisons as (

    select * from {{ ref('fct_standard_comparisons') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rebases as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('spc_rebases') }}

),

series_breaks as (

    select
        org_code,
        org_level,
        dataset,
        date_trunc('month', changed_on)::date as first_month,
        'with the figures of ' || array_to_string(list_sort(list(predecessor_code)), ', ') as reason
    from {{ ref('int_series_breaks') }}
    where is_within_series
    group by all

),

-- Comparisons are in whole millionths, as exact as a value in decimals is elsewhere.
points as (

    select
        comparisons.indicator_id,
        comparisons.org_code,
        comparisons.org_level,
        {{ series_level() }} as series_level,
        comparisons.source,
        comparisons.period_type,
        comparisons.period_start,
        comparisons.period_end,
        comparisons.is_preferred,
        comparisons.value,
        comparisons.unit,
        comparisons.standard,
        comparisons.comparator,
        comparisons.is_met,
        comparisons.is_provisional,
        comparisons.caveat as value_caveat,
        {{ dataset_of_figure('comparisons.source', 'indicators.dataset') }} as dataset,
        indicators.direction,
        round(comparisons.value * 1000000)::bigint as millionths,
        round(comparisons.standard * 1000000)::bigint as target_millionths
    from comparisons
    inner join indicators using (indicator_id)
    where comparisons.period_type in ('week', 'month', 'quarter') and comparisons.value is not null

),

-- Numbered apart from their points, of which there are a hundred times as many.
series as (

    select
        {{ spc_series() }},
        row_number() over (order by {{ spc_series() }}) as series_number
    from (select distinct {{ spc_series() }} from points)

),

identified as (

    select
        points.*,
        series.series_number
    from points
    inner join series using ({{ spc_series() }})

),

numbered as (

    select
        *,
        row_number() over series as point_number,
        lag(period_start) over series as previous_start,
        case period_type
            when 'week' then date_diff('day', previous_start, period_start) // 7
            when 'quarter' then date_diff('month', previous_start, period_start) // 3
            else date_diff('month', previous_start, period_start)
        end - 1 as periods_missing_before
    from identified
    window series as (partition by series_number order by period_start)

),

-- Why the limits are worked out anew from a point on: as stated, with a merger, or after a year without a figure. From
-- here to the end with what limits are made of and no more: sorting whole points took longer than all else.
opened as (

    select
        numbered.series_number,
        numbered.point_number,
        numbered.period_start,
        numbered.value,
        numbered.millionths,
        numbered.target_millionths,
        numbered.periods_missing_before,
        nullif(concat_ws(
            '; ',
            rebases.reason,
            series_breaks.reason,
            case
                when date_diff('month', numbered.previous_start, numbered.period_start)
                    > {{ var('spc_longest_gap_months') }}
                    then 'the first after '
                    || {{ period_in_words(
                        'numbered.period_type', 'numbered.previous_start', 'numbered.previous_start + 6'
                    ) }}
            end
        ), '') as opening_reason
    from numbered
    left join rebases
        on
            numbered.indicator_id = rebases.indicator_id
            and numbered.org_code = rebases.org_code
            and numbered.series_level = rebases.series_level
            and numbered.period_start = rebases.rebase_date
    left join series_breaks
        on
            numbered.org_code = series_breaks.org_code
            and numbered.org_level = series_breaks.org_level
            and numbered.dataset = series_breaks.dataset
            and numbered.period_start >= series_breaks.first_month
            and numbered.previous_start < series_breaks.first_month

),

baselines as (

    select
        *,
        1 + count(opening_reason) over (
            partition by series_number
            order by point_number
            rows unbounded preceding
        ) - (first_value(opening_reason) over (
            partition by series_number order by point_number
        ) is not null)::integer as baseline_number
    from opened

),

ranges as (

    select
        *,
        abs(millionths - lag(millionths) over baseline) as moving_range_millionths,
        sign(value - lag(value) over baseline)::integer as step
    from baselines
    window baseline as (partition by series_number, baseline_number order by point_number)

),

-- What is known of a baseline when each of its points is the last.
running as (

    select
        *,
        first_value(period_start) over baseline as baseline_start,
        first_value(opening_reason) over baseline as baseline_reason,
        max(point_number) over (partition by series_number, baseline_number) as last_of_baseline,
        max(point_number) over (partition by series_number) as last_of_series,
        count(*) over baseline as baseline_points,
        sum(millionths) over baseline as baseline_sum,
        coalesce(sum(moving_range_millionths) over baseline, 0) as ranges_sum,
        list(moving_range_millionths) over baseline as ranges,
        sum(case when moving_range_millionths is not null then periods_missing_before end) over baseline
            as periods_missing,
        case abs(sum(step) over six_steps) when 6 then step else 0 end as trend,
        lag(millionths) over baseline_points as one_before,
        lag(millionths, 2) over baseline_points as two_before,
        count(*) over seven = 7 as has_seven,
        min(millionths) over seven as lowest_of_seven,
        max(millionths) over seven as highest_of_seven
    from ranges
    window
        baseline_points as (partition by series_number, baseline_number order by point_number),
        baseline as (
            partition by series_number, baseline_number order by point_number rows unbounded preceding
        ),
        six_steps as (
            partition by series_number, baseline_number
            order by point_number
            rows between 5 preceding and current row
        ),
        seven as (
            partition by series_number, baseline_number
            order by point_number
            rows between 6 preceding and current row
        )

),

-- Moving ranges are whole numbers, and so is the largest that is kept: comparing each with it is exact.
limited as (

    select
        *,
        (
            ranges_sum * {{ var('spc_screening_thousandths') }} // (1000 * (baseline_points - 1))
        )::bigint as largest_kept
    from running

),

screened as (

    select
        *,
        list_filter(ranges, one -> one <= largest_kept) as ranges_kept,
        len(ranges_kept) as kept_ranges,
        coalesce(list_sum(ranges_kept), 0) as kept_sum
    from limited

),

measured as (

    select
        *,
        baseline_sum / baseline_points / 1000000 as mean,
        case when kept_ranges > 0 then kept_sum / kept_ranges / 1000000 end as average_moving_range,
        {{ var('spc_limit_hundredths') }} * average_moving_range / 100 as reach,
        {{ spc_beyond('millionths', 'screened', 3) }} as outside,
        {{ spc_beyond('millionths', 'screened', 2) }} as near,
        {{ spc_beyond('one_before', 'screened', 2) }} as near_one_before,
        {{ spc_beyond('two_before', 'screened', 2) }} as near_two_before,
        case when near in (near_one_before, near_two_before) then near end as two_of_three,
        case
            when not has_seven then null
            when lowest_of_seven::hugeint * baseline_points > baseline_sum then 1
            when highest_of_seven::hugeint * baseline_points < baseline_sum then -1
        end as shift,
        {{ spc_beyond('target_millionths', 'screened', 3) }} as target_outside
    from screened

),

named as (

    select
        *,
        {{ spc_rule('outside', 'trend', 'two_of_three', 'shift') }} as rule,
        {{ spc_side('outside', 'trend', 'two_of_three', 'shift') }} as side
    from measured

)

select
    indicator_id,
    org_code,
    org_level,
    series_level,
    source,
    period_type,
    numbered.period_start,
    period_end,
    is_preferred,
    numbered.value,
    unit,
    standard,
    comparator,
    is_met,
    is_provisional,
    value_caveat,
    series_number,
    numbered.millionths,
    point_number,
    last_of_series,
    numbered.periods_missing_before,
    baseline_number,
    baseline_start,
    case when baseline_number > 1 then baseline_reason end as baseline_reason,
    last_of_baseline,
    baseline_points,
    baseline_sum,
    moving_range_millionths,
    ranges_sum,
    kept_ranges,
    kept_sum,
    trend,
    mean,
    average_moving_range,
    mean - reach as lower_limit,
    mean + reach as upper_limit,
    mean - 2 * reach / 3 as near_lower_limit,
    mean + 2 * reach / 3 as near_upper_limit,
    rule,
    case
        when average_moving_range is null then null
        when side is null then 'common_cause'
        else case {{ spc_meaning('side', 'direction') }}
            when 'improvement' then 'improving'
            when 'concern' then 'concerning'
            else 'neutral'
        end || case side when 1 then '_high' else '_low' end
    end as variation_icon,
    case
        when average_moving_range is null or standard is null then null
        -- A constant series on its target leaves nothing to chance: each value meets it, or none does.
        when target_outside = 0 and ranges_sum = 0
            then case when is_met then 'consistently_pass' else 'consistently_fail' end
        when target_outside = 0 then 'hit_and_miss'
        when comparator in ('>=', '>') and target_outside = -1 then 'consistently_pass'
        when comparator in ('<=', '<') and target_outside = 1 then 'consistently_pass'
        else 'consistently_fail'
    end as assurance_icon,
    baseline_points < {{ var('spc_enough_points') }} as is_short,
    nullif(concat_ws(
        '; ',
        case when baseline_points = 1 then 'one point: no limits' end,
        case
            when baseline_points between 2 and {{ var('spc_enough_points') - 1 }}
                then 'limits of ' || baseline_points
                || ' points, fewer than {{ var("spc_enough_points") }}: to be read with care'
        end,
        case
            when kept_sum = 0 and ranges_sum > 0
                then 'the limits meet at the mean: but for moving ranges left out, the figures do not change'
        end,
        case
            when baseline_number > 1
                then 'limits are worked out from ' || strftime(baseline_start, '%-d %B %Y') || ' on: '
                || baseline_reason
        end,
        case
            when periods_missing > 0
                then periods_missing || ' period'
                || case when periods_missing > 1 then 's' else '' end
                || ' without a figure: the points around are taken as neighbours'
        end
    ), '') as caveat
from numbered
inner join named using (series_number, point_number)
