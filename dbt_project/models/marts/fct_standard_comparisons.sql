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

    {{ with_standard_in_force('indicator_values', 'standards') }}

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

verdicts as (

    -- Ordered by month apart from the rest of each row, which is wide.
    select
        indicator_id,
        org_code,
        org_level,
        {{ series_level() }} as series_level,
        period_type,
        period_start,
        period_end,
        source,
        is_met
    from judged
    where period_type <> 'ytd'

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
            lag(period_start) over (
                partition by indicator_id, org_code, series_level, period_type, source
                order by period_start, period_end
            ) as lag_start
        from verdicts
    )

),

lengths as (

    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        source,
        case
            when is_met = false then count(*) filter (where is_met = false) over (
                partition by indicator_id, org_code, series_level, period_type, source, run_number
                order by period_start
                rows unbounded preceding
            )
            when is_met then 0
        end as periods_in_breach
    from runs

)

select
    judged.indicator_id,
    judged.org_code,
    judged.org_level,
    judged.period_type,
    judged.period_start,
    judged.period_end,
    judged.source,
    judged.is_preferred,
    judged.numerator,
    judged.denominator,
    judged.value,
    judged.unit,
    judged.standard_id,
    judged.standard,
    judged.comparator,
    judged.is_met,
    judged.other_standard_id,
    judged.other_standard,
    judged.other_comparator,
    judged.is_other_met,
    judged.breaches,
    judged.allowed_breaches,
    case
        when judged.breaches is not null then greatest(judged.breaches - judged.allowed_breaches, 0)
    end as excess_breaches,
    lengths.periods_in_breach,
    judged.is_provisional,
    judged.caveat,
    judged.extract_ids
from judged
left join lengths
    on
        judged.indicator_id = lengths.indicator_id
        and judged.org_code = lengths.org_code
        and judged.org_level = lengths.org_level
        and judged.period_type = lengths.period_type
        and judged.period_start = lengths.period_start
        and judged.period_end = lengths.period_end
        and judged.source = lengths.source
