with indicator_values as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_indicator_values') }}
    where source = 'derived' and period_type in ('month', 'quarter') and org_level <> 'national'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

rules as (

    select {{ thresholds('organisation_vanished', ['seen_at_least', 'count_at_least', 'many']) }}
    from {{ ref('data_query_rules') }}

),

presences as (

    select
        indicators.dataset,
        indicator_values.org_code,
        indicator_values.series_level,
        indicator_values.period_type,
        indicator_values.period_start,
        max(indicator_values.period_end) as period_end,
        max(indicator_values.org_level) as org_level,
        -- A stock or a flow: the greatest count of anything says how much goes missing with the organisation.
        max(coalesce(indicator_values.denominator, indicator_values.numerator)) as greatest_count
    from indicator_values
    inner join indicators using (indicator_id)
    group by all

),

periods_held as (

    select
        dataset,
        series_level,
        period_type,
        period_start,
        max(period_end) as period_end,
        count(*) as organisations,
        period_start - case period_type when 'quarter' then interval 3 month else interval 1 month end as period_before
    from presences
    group by all

),

absent as (

    select
        periods_held.dataset,
        periods_held.series_level,
        periods_held.period_type,
        periods_held.period_start,
        periods_held.period_end,
        periods_held.organisations,
        last_seen.org_code,
        last_seen.org_level,
        last_seen.greatest_count
    from periods_held
    inner join presences as last_seen
        on
            periods_held.dataset = last_seen.dataset
            and periods_held.series_level = last_seen.series_level
            and periods_held.period_type = last_seen.period_type
            and periods_held.period_before = last_seen.period_start
    anti join presences as present
        on
            periods_held.dataset = present.dataset
            and periods_held.series_level = present.series_level
            and periods_held.period_type = present.period_type
            and periods_held.period_start = present.period_start
            and last_seen.org_code = present.org_code

),

year_before as (

    select
        absent.dataset,
        absent.series_level,
        absent.period_type,
        absent.period_start,
        absent.org_code,
        count(*) as periods_held,
        count(presences.org_code) as periods_seen
    from absent
    inner join periods_held
        on
            absent.dataset = periods_held.dataset
            and absent.series_level = periods_held.series_level
            and absent.period_type = periods_held.period_type
            and periods_held.period_start < absent.period_start
            and periods_held.period_start >= absent.period_start - interval 12 month
    left join presences
        on
            periods_held.dataset = presences.dataset
            and periods_held.series_level = presences.series_level
            and periods_held.period_type = presences.period_type
            and periods_held.period_start = presences.period_start
            and absent.org_code = presences.org_code
    group by all

),

vanished as (

    select
        absent.*,
        year_before.periods_seen,
        count(*) over (
            partition by absent.dataset, absent.series_level, absent.period_type, absent.period_start
        ) as vanished_together
    from absent
    inner join year_before using (dataset, series_level, period_type, period_start, org_code)
    cross join rules
    left join organisations using (org_code, org_level)
    where
        year_before.periods_seen = year_before.periods_held
        and year_before.periods_seen >= rules.seen_at_least
        and absent.greatest_count >= rules.count_at_least
        -- Who closed, or was taken into another, is where it should be: nowhere.
        and (organisations.valid_to is null or organisations.valid_to >= absent.period_start)

),

queries as (

    select
        vanished.dataset,
        vanished.org_code,
        vanished.org_level,
        vanished.period_type,
        vanished.period_start,
        vanished.period_end,
        coalesce(organisations.org_name, vanished.org_code) || ' is not in ' || vanished.dataset || ' for '
        || {{ period_in_words('vanished.period_type', 'vanished.period_start', 'vanished.period_end') }}
        || ', and nothing says that it closed. Did it not submit, or was its row lost? Totals are without it.'
            as question,
        'in all ' || vanished.periods_seen || ' periods held of the year before, the last with a count of '
        || {{ figure_in_words('vanished.greatest_count') }} as evidence
    from vanished
    left join organisations using (org_code, org_level)
    cross join rules
    where vanished.vanished_together <= rules.many

    union all

    select
        vanished.dataset,
        null as org_code,
        vanished.org_level,
        vanished.period_type,
        vanished.period_start,
        vanished.period_end,
        count(*) || ' organisations are in ' || vanished.dataset || ' until the period before and not in '
        || {{ period_in_words('vanished.period_type', 'vanished.period_start', 'vanished.period_end') }}
        || '. Is it a reorganisation, or a file cut short? Compare England''s totals.' as question,
        string_agg(vanished.org_code, ', ' order by vanished.org_code) || '; ' || max(vanished.organisations)
        || ' are there' as evidence
    from vanished
    cross join rules
    where vanished.vanished_together > rules.many
    group by
        vanished.dataset, vanished.org_level, vanished.period_type, vanished.period_start, vanished.period_end

)

select
    'organisation_vanished' as finding,
    dataset,
    null::varchar as indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    'derived' as source,
    null::varchar as subject,
    question,
    evidence
from queries
