with indicator_values as (

    select * from {{ ref('fct_indicator_values') }}

),

standards as (

    select * from {{ ref('dim_standards') }}

),

in_force as (

    {{ with_standard_in_force('indicator_values', 'standards', [
        'indicator_id', 'org_code', 'org_level', 'period_type', 'period_start', 'period_end', 'source'
    ]) }}

),

judged as (

    select
        *,
        {{ is_met('numerator', 'denominator', 'value', 'unit', 'standard', 'comparator') }} as is_met,
        case
            when value is null or standard is null then null
            when unit in ('count', 'days') then case when comparator not in ('>=', '>') then numerator end
            when unit <> 'percent' then null
            when comparator in ('>=', '>') then denominator - numerator
            else numerator
        end as breaches,
        case
            when value is null or standard is null then null
            when unit in ('count', 'days') then case when comparator not in ('>=', '>') then standard::double end
            when unit <> 'percent' then null
            when comparator in ('>=', '>') then floor(denominator::decimal(18, 3) * (100 - standard) / 100)
            else floor(denominator::decimal(18, 3) * standard / 100)
        end as allowed_breaches
    from in_force

),

runs as (

    -- A run of months (or quarters) in breach ends where the standard is met or not judged, or where one is missing.
    select
        *,
        coalesce(sum(
            case
                when is_met is distinct from false then 1
                when lag_start is distinct from period_start
                    - {{ period_length('period_type') }} then 1
                else 0
            end
        ) over (
            partition by indicator_id, org_code, series_level, period_type, source
            order by period_start, period_end
            rows unbounded preceding
        ), 0) as run_number
    from (
        select
            *,
            {{ series_level() }} as series_level,
            lag(period_start) over (
                partition by
                    indicator_id, org_code, period_type, source,
                    {{ series_level() }}
                order by period_start, period_end
            ) as lag_start
        from judged
    )

)

select
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    is_preferred,
    numerator,
    denominator,
    value,
    unit,
    standard_id,
    standard,
    comparator,
    is_met,
    breaches,
    allowed_breaches,
    case when breaches is not null then greatest(breaches - allowed_breaches, 0) end as excess_breaches,
    case
        when period_type = 'ytd' then null
        when is_met = false then count(*) filter (where is_met = false) over (
            partition by indicator_id, org_code, series_level, period_type, source, run_number
            order by period_start
            rows unbounded preceding
        )
        when is_met then 0
    end as periods_in_breach,
    is_provisional,
    caveat,
    extract_ids
from runs
