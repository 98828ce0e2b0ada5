with indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where period_type = 'month' and value > 0

),

rates_and_counts as (

    select * from {{ ref('rates_and_counts') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select {{ thresholds('rate_against_count', ['robust_deviations', 'times', 'points_at_least']) }}
    from {{ ref('data_query_rules') }}

),

bases as (

    select
        rates.indicator_id,
        rates.org_code,
        rates.org_level,
        rates.period_type,
        rates.period_start,
        rates.period_end,
        rates.source,
        rates.value as rate,
        counts.value as counted,
        counts.indicator_id as count_indicator_id,
        100 * counts.value / rates.value
        / case when rates_and_counts.is_per_day then date_diff('day', rates.period_start, rates.period_end) + 1 else 1 end
            as implied_base
    from rates_and_counts
    inner join indicator_values as rates
        on
            rates_and_counts.rate_indicator_id = rates.indicator_id
            and (rates_and_counts.org_code = rates.org_code or rates_and_counts.org_code is null)
    inner join indicator_values as counts
        on
            rates_and_counts.count_indicator_id = counts.indicator_id
            and rates.org_code = counts.org_code
            and rates.org_level = counts.org_level
            and rates.source = counts.source
            and rates.period_start = counts.period_start

),

series as (

    select
        indicator_id,
        count_indicator_id,
        org_code,
        org_level,
        source,
        count(*) as periods,
        median(implied_base) as usual_base,
        mad(ln(implied_base)) as median_deviation
    from bases
    group by all

),

found as (

    select
        bases.*,
        series.periods,
        series.usual_base
    from bases
    inner join series using (indicator_id, count_indicator_id, org_code, org_level, source)
    cross join rules
    where
        series.periods >= rules.points_at_least
        and abs(ln(bases.implied_base / series.usual_base)) > greatest(
            rules.robust_deviations * 1.4826 * series.median_deviation, ln(rules.times)
        )

)

select
    'rate_against_count' as finding,
    {{ dataset_of_figure('found.source', 'indicators.dataset') }} as dataset,
    found.indicator_id,
    found.org_code,
    found.org_level,
    found.period_type,
    found.period_start,
    found.period_end,
    found.source,
    found.count_indicator_id as subject,
    indicators.indicator_name || ': ' || {{ figure_in_words('found.rate') }} || ' in '
    || {{ period_in_words('found.period_type', 'found.period_start', 'found.period_end') }}
    || ' does not go with the count beside it, ' || {{ figure_in_words('found.counted') }}
    || '. Is one of the two of another month?' as question,
    'together they imply a base of ' || {{ figure_in_words('round(found.implied_base)') }} || '; the median of '
    || found.periods || ' months is ' || {{ figure_in_words('round(found.usual_base)') }} as evidence
from found
inner join indicators using (indicator_id)
