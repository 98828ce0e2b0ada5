with differences as (

    select * from {{ ref('fct_reported_differences') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select {{ thresholds('reported_differs', ['points', 'share']) }}
    from {{ ref('data_query_rules') }}

),

beyond_revision as (

    select
        differences.*,
        abs(differences.difference) / case
            when differences.unit = 'percent' then rules.points
            else greatest(rules.share * abs(differences.derived_value), 1)
        end as times_tolerated
    from differences
    cross join rules
    where differences.indicator_id = differences.derived_indicator_id

),

found as (

    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        min(period_start) as period_start,
        max(period_end) as period_end,
        count(*) as periods,
        arg_max(reported_value, (times_tolerated, period_start, period_end)) as reported_value,
        arg_max(derived_value, (times_tolerated, period_start, period_end)) as derived_value,
        string_agg(
            {{ period_in_words('period_type', 'period_start', 'period_end') }} || ' '
            || {{ figure_in_words('reported_value') }} || ' / ' || {{ figure_in_words('derived_value') }},
            '; ' order by period_start, period_end
        ) as pairs_in_words
    from beyond_revision
    where times_tolerated > 1
    group by indicator_id, org_code, org_level, period_type

)

select
    'reported_differs' as finding,
    'local_returns' as dataset,
    found.indicator_id,
    found.org_code,
    found.org_level,
    found.period_type,
    found.period_start,
    found.period_end,
    'reported' as source,
    null::varchar as subject,
    indicators.indicator_name || ': '
    || case found.periods when 1 then 'a returned figure differs' else found.periods || ' returned figures differ' end
    || ' from what was published, by up to '
    || {{ figure_in_words('abs(found.reported_value - found.derived_value)') }}
    || '. Was it revised since, or counted otherwise? The derived one is quoted.' as question,
    'reported / derived: ' || found.pairs_in_words as evidence
from found
inner join indicators using (indicator_id)
