with extract_counts as (

    select * from {{ ref('int_rtt__extract_counts') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'rtt'

),

exceptions as (

    select * from {{ ref('commissioner_exceptions') }}

),

current_counts as (

    select
        extract_counts.*,
        coverage.known_from,
        coverage.known_to,
        coverage.edition,
        coverage.caveat
    from extract_counts
    inner join coverage using (extract_id, view, part, period_start)

),

counted as (

    select
        *,
        case view
            when 'provider' then 'provider' else {{ commissioner_level('org_name', 'period_start') }}
        end as org_level
    from current_counts

),

england as (

    select
        part,
        'ENG' as org_code,
        'England' as org_name,
        'national' as org_level,
        period_start,
        known_from,
        known_to,
        sum(within_18_weeks) as within_18_weeks,
        sum(over_52_weeks) as over_52_weeks,
        sum(with_known_start) as with_known_start,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from counted
    where
        view = 'commissioner'
        -- Patients from outside England are within a provider's figures and outside England's published totals.
        and org_code not in (select org_code from exceptions where kind = 'outside_england')
    group by part, period_start, known_from, known_to

),

organisations as (

    select * exclude (view, has_totals) from counted
    where view = 'provider' or org_code not in (select org_code from exceptions)
    union all by name
    select * from england

)

select
    case part
        when 'part_1a' then 'admitted_within_18_weeks'
        when 'part_1b' then 'nonadmitted_within_18_weeks'
        else 'incomplete_within_18_weeks'
    end as measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    coalesce(within_18_weeks, 0) as numerator,
    coalesce(with_known_start, 0) as denominator,
    caveat,
    edition,
    extract_id
from organisations

union all

select
    'incomplete_over_52_weeks' as measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    coalesce(over_52_weeks, 0) as numerator,
    null::bigint as denominator,
    caveat,
    edition,
    extract_id
from organisations
where part = 'part_2'
