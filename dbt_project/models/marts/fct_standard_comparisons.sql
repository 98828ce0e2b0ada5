with indicator_values as (

    select * from {{ ref('fct_indicator_values') }}

),

standards as (

    select * from {{ ref('dim_standards') }}

),

indicators as (

    select * from {{ ref('indicators') }}

),

in_force as (

    {{ with_standard_in_force('indicator_values', 'standards', [
        'indicator_id', 'org_code', 'org_level', 'period_type', 'period_start', 'period_end', 'source'
    ]) }}

),

-- Where the catalogue says at which levels a breach is judged, a figure of another one is shown and not judged.
at_levels as (

    select
        in_force.* exclude (caveat),
        case
            when {{ is_judged_at('indicators.judged_at', 'in_force.org_level', 'in_force.org_code') }}
                then in_force.standard
        end as judged_standard,
        nullif(concat_ws(
            '; ',
            case
                when in_force.value is not null and in_force.standard is not null and judged_standard is null
                    then 'not judged: a breach of it is judged at the level of the '
                    || replace(replace(indicators.judged_at, ' ', ' or the '), 'ccg', 'CCG')
            end,
            in_force.caveat
        ), '') as caveat
    from in_force
    left join indicators using (indicator_id)

),

judged as (

    select
        *,
        {{ is_met('numerator', 'denominator', 'value', 'unit', 'judged_standard', 'comparator') }} as is_met,
        case
            when judged_standard is not null
                then {{ is_met('numerator', 'denominator', 'value', 'unit', 'other_standard', 'other_comparator') }}
        end as is_other_met,
        case
            when value is null or judged_standard is null then null
            when unit in ('count', 'days') then case when comparator not in ('>=', '>') then numerator end
            when unit <> 'percent' then null
            when comparator in ('>=', '>') then denominator - numerator
            else numerator
        end as breaches,
        case
            when value is null or judged_standard is null then null
            when unit in ('count', 'days') then case when comparator not in ('>=', '>') then standard::double end
            when unit <> 'percent' then null
            when comparator in ('>=', '>') then floor(denominator::decimal(18, 3) * (100 - standard) / 100)
            else floor(denominator::decimal(18, 3) * standard / 100)
        end as allowed_breaches
    from at_levels

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
    other_standard_id,
    other_standard,
    other_comparator,
    is_other_met,
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
