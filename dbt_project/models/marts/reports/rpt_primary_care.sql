{%- set inner = var('funnel_inner_deviations') -%}
{%- set outer = var('funnel_outer_deviations') -%}
{%- set least = var('funnel_least_expected') -%}

with comparisons as (

    select * from {{ ref('fct_standard_comparisons') }}
    where is_preferred

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

members as (

    select * from {{ ref('dim_indicator_sets') }}
    where set_id = 'primary_care'

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

practice_localities as (

    select * from {{ ref('practice_localities') }}

),

placed_in_ccgs as (

    select
        comparisons.*,
        practice_localities.practice_name,
        practice_localities.locality_code,
        practice_localities.ccg_code
    from comparisons
    inner join members using (indicator_id)
    left join practice_localities
        on
            comparisons.org_level = 'practice'
            and comparisons.org_code = practice_localities.practice_code
            and comparisons.period_end >= coalesce(practice_localities.valid_from, date '1900-01-01')
            and comparisons.period_end <= coalesce(practice_localities.valid_to, date '9999-12-31')
    qualify row_number() over (
        partition by
            comparisons.indicator_id, comparisons.org_code, comparisons.org_level, comparisons.period_type,
            comparisons.period_start, comparisons.period_end
        order by practice_localities.valid_from desc nulls last
    ) = 1

),

measured as (

    select
        placed_in_ccgs.*,
        indicators.indicator_name,
        indicators.indicator_group,
        indicators.direction,
        members.sort_order,
        coalesce(organisations.org_name, placed_in_ccgs.practice_name) as org_name,
        placed_in_ccgs.ccg_code is not null
        and placed_in_ccgs.unit = 'percent'
        and placed_in_ccgs.denominator > 0 as is_comparable
    from placed_in_ccgs
    inner join members using (indicator_id)
    inner join indicators using (indicator_id)
    left join organisations using (org_code, org_level)

),

pooled as (

    select
        *,
        count(*) over same_period as practices_compared,
        sum(numerator) over same_period / sum(denominator) over same_period as share_of_ccg
    from measured
    where is_comparable
    window same_period as (
        partition by indicator_id, ccg_code, period_type, period_start, period_end
    )

),

placed as (

    select
        *,
        sqrt(share_of_ccg * (1 - share_of_ccg) / denominator) as standard_error,
        (numerator / denominator - share_of_ccg) / nullif(standard_error, 0) as deviations,
        least(denominator * share_of_ccg, denominator * (1 - share_of_ccg)) as expected_on_rarer_side
    from pooled

),

funnels as (

    select
        *,
        -- 1 where practices differ by chance alone; the text of a caveat from where chance hardly goes.
        avg(deviations * deviations) over same_period as dispersion,
        case
            when practices_compared < 2 then 'no limits: no other practice of the CCG to compare with'
            when expected_on_rarer_side < {{ least }}
                then 'no limits: too few people, under {{ least }} are expected on one side'
        end as why_no_limits
    from placed
    window same_period as (
        partition by indicator_id, ccg_code, period_type, period_start, period_end
    )

),

judged as (

    select
        measured.*,
        funnels.practices_compared,
        100 * funnels.share_of_ccg as ccg_mean_pct,
        case when funnels.practices_compared > 1 then measured.value - 100 * funnels.share_of_ccg end
            as variation_points,
        case when funnels.practices_compared > 1 then funnels.dispersion end as dispersion,
        funnels.org_code is not null and funnels.why_no_limits is null as has_limits,
        100 * funnels.standard_error as standard_error_points,
        case when has_limits then funnels.deviations end as deviations,
        case
            when measured.org_level <> 'practice' or measured.value is null then null
            when measured.ccg_code is null then 'no limits: practice_localities does not say of which CCG the practice is'
            when measured.unit <> 'percent' then 'no limits: they are drawn for percentages'
            when measured.denominator is null then 'no limits: only a percentage is returned, without its parts'
            else funnels.why_no_limits
        end as why_no_limits,
        case
            when has_limits and funnels.dispersion > 1 + 2 * sqrt(2 / funnels.practices_compared)
                then 'practices spread more than by chance (dispersion '
                || {{ figure_in_words('funnels.dispersion') }} || '): the limits are not widened for it'
        end as overdispersion
    from measured
    left join funnels
        using (indicator_id, org_code, org_level, period_type, period_start, period_end, source)

)

select
    indicator_id,
    indicator_name,
    indicator_group,
    sort_order,
    org_code,
    org_name,
    org_level,
    locality_code,
    ccg_code,
    period_type,
    period_start,
    period_end,
    source,
    numerator,
    denominator,
    value,
    unit,
    direction,
    standard,
    comparator,
    is_met,
    practices_compared,
    ccg_mean_pct,
    variation_points,
    -- Asked for only where there are limits: greatest and least pass over a null.
    case when has_limits then greatest(ccg_mean_pct - {{ outer }} * standard_error_points, 0) end as outer_lower_limit,
    case when has_limits then greatest(ccg_mean_pct - {{ inner }} * standard_error_points, 0) end as inner_lower_limit,
    case when has_limits then least(ccg_mean_pct + {{ inner }} * standard_error_points, 100) end as inner_upper_limit,
    case when has_limits then least(ccg_mean_pct + {{ outer }} * standard_error_points, 100) end as outer_upper_limit,
    case
        when deviations > {{ outer }} then 'above outer limit'
        when deviations > {{ inner }} then 'above inner limit'
        when deviations < -{{ outer }} then 'below outer limit'
        when deviations < -{{ inner }} then 'below inner limit'
        when deviations is not null then 'within limits'
    end as place_in_funnel,
    abs(deviations) > {{ inner }} as is_outlier,
    case
        when abs(deviations) > {{ inner }} and direction in ('higher', 'lower')
            then case when (deviations > 0) = (direction = 'higher') then 'better' else 'concern' end
    end as outlier_meaning,
    dispersion,
    is_provisional,
    nullif(concat_ws('; ', why_no_limits, overdispersion, caveat), '') as caveat,
    extract_ids
from judged
