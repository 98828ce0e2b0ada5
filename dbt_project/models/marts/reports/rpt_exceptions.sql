with comparisons as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_standard_comparisons') }}
    where is_preferred

),

-- What is joined to both kinds of exception says which kind it is of.
breaches as (

    select
        *,
        'out of standard' as exception
    from {{ ref('fct_breaches') }}

),

trajectory_comparisons as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_trajectory_comparisons') }}
    where kind in ('plan', 'ceiling') and is_on_plan is not null and breakdown is null and is_current_version

),

restatements as (

    select * from {{ ref('fct_restatements') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

spc_points as (

    select * from {{ ref('int_spc_points') }}

),

-- Each judged figure beside the one of the period before it.
standards_judged as (

    select
        'out of standard' as exception,
        null::varchar as plan_id,
        null::varchar as plan,
        null::varchar as plan_version,
        comparisons.indicator_id,
        comparisons.org_code,
        comparisons.org_level,
        comparisons.series_level,
        comparisons.period_type,
        comparisons.period_start,
        comparisons.period_end,
        comparisons.source,
        comparisons.unit,
        comparisons.numerator,
        comparisons.denominator,
        comparisons.value,
        comparisons.standard::double as expected_value,
        {{ standard_in_words('comparisons.standard', 'comparisons.comparator', 'comparisons.unit') }} as expected_shown,
        comparisons.is_met,
        comparisons.excess_breaches,
        abs(comparisons.value - comparisons.standard) as shortfall,
        comparisons.is_provisional,
        comparisons.caveat
    from comparisons
    where comparisons.is_met is not null and comparisons.period_type <> 'ytd'

),

-- A plan that says no more than the standard does is judged as the standard.
plans_judged as (

    select
        'off plan' as exception,
        trajectory_comparisons.plan_id,
        trajectory_comparisons.plan,
        trajectory_comparisons.plan_version,
        trajectory_comparisons.indicator_id,
        trajectory_comparisons.org_code,
        trajectory_comparisons.org_level,
        trajectory_comparisons.series_level,
        trajectory_comparisons.period_type,
        trajectory_comparisons.period_start,
        trajectory_comparisons.period_end,
        trajectory_comparisons.actual_source as source,
        trajectory_comparisons.unit,
        null::double as numerator,
        null::double as denominator,
        trajectory_comparisons.actual_value as value,
        trajectory_comparisons.planned_value as expected_value,
        {{ shown('trajectory_comparisons.planned_value', 'trajectory_comparisons.unit') }}
            as expected_shown,
        trajectory_comparisons.is_on_plan as is_met,
        null::double as excess_breaches,
        abs(trajectory_comparisons.variance) as shortfall,
        trajectory_comparisons.is_provisional,
        trajectory_comparisons.caveat
    from trajectory_comparisons
    anti join comparisons
        on
            trajectory_comparisons.indicator_id = comparisons.indicator_id
            and trajectory_comparisons.org_code = comparisons.org_code
            and trajectory_comparisons.series_level = comparisons.series_level
            and trajectory_comparisons.period_type = comparisons.period_type
            and trajectory_comparisons.period_start = comparisons.period_start
            and trajectory_comparisons.period_end = comparisons.period_end
            and trajectory_comparisons.planned_value = comparisons.standard::double

),

judged as (

    select * from standards_judged
    union all
    select * from plans_judged

),

beside_the_last as (

    select
        *,
        lag(period_start) over series as last_start,
        lag(period_end) over series as last_end,
        lag(value) over series as last_value,
        lag(numerator) over series as last_numerator,
        lag(denominator) over series as last_denominator,
        lag(is_met) over series as last_is_met,
        lag(shortfall) over series as last_shortfall,
        -- Only the period just before is the last one: what lies further back is not compared.
        coalesce(
            case period_type
                when 'ytd' then last_start = period_start and last_end + 1 = date_trunc('month', period_end)
                else last_end + 1 = period_start
            end,
            false
        ) as has_last,
        case when has_last then last_is_met end as was_met
    from judged
    window
        series as (
            partition by exception, plan_id, plan_version, indicator_id, org_code, series_level, period_type
            order by period_start, period_end
        )

),

in_runs as (

    select
        *,
        sum((is_met or not has_last)::integer) over (
            partition by exception, plan_id, plan_version, indicator_id, org_code, series_level, period_type
            order by period_start, period_end
            rows unbounded preceding
        ) as run_number
    from beside_the_last

),

followed as (

    select
        *,
        case when is_met then 0 else count(*) filter (where not is_met) over run end as periods_in_breach,
        -- Where no period that is met stands before the run, it may have begun earlier.
        bool_or(is_met) over run as is_beginning_known
    from in_runs
    window
        run as (
            partition by
                exception, plan_id, plan_version, indicator_id, org_code, series_level, period_type, run_number
            order by period_start, period_end
            rows unbounded preceding
        )

),

exceptions as (

    select
        *,
        case
            when is_met then 'ended'
            when was_met is null then 'not comparable'
            when was_met then 'new'
            when shortfall > last_shortfall then 'worse'
            when shortfall < last_shortfall then 'better'
            else 'unchanged'
        end as change
    from followed
    where not is_met or was_met = false

),

restated as (

    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        source,
        max(restated_at) as restated_at,
        arg_max(previous_value, restated_at) as restated_from
    from restatements
    where previous_value is not null and value is not null and previous_value <> value
    group by all

),

described as (

    select
        exceptions.*,
        indicators.indicator_name,
        indicators.indicator_group,
        indicators.indicator_set,
        indicators.direction,
        organisations.org_name,
        organisations.parent_code,
        breaches.severity,
        case breaches.severity when 'critical' then 1 when 'major' then 2 when 'minor' then 3 else 4 end
            as severity_order,
        {{ period_in_words('exceptions.period_type', 'exceptions.period_start', 'exceptions.period_end') }} as period,
        {{ period_in_words('exceptions.period_type', 'exceptions.last_start', 'exceptions.last_end') }} as last_period,
        {{ shown('exceptions.value', 'exceptions.unit', 'exceptions.numerator', 'exceptions.denominator') }}
            as value_shown,
        {{ shown(
            'exceptions.last_value', 'exceptions.unit', 'exceptions.last_numerator', 'exceptions.last_denominator'
        ) }} as last_value_shown,
        case exceptions.unit
            when 'percent'
                then format('{:,.1f}', round(exceptions.shortfall::decimal(18, 6), 1)::double) || ' percentage points'
            else {{ shown('exceptions.shortfall', 'exceptions.unit') }}
        end as shortfall_shown,
        restated.restated_at,
        restated.restated_from,
        {{ shown('restated.restated_from', 'exceptions.unit') }} as restated_from_shown,
        spc_points.variation_icon,
        spc_points.assurance_icon
    from exceptions
    inner join indicators using (indicator_id)
    left join organisations
        on exceptions.org_code = organisations.org_code and exceptions.org_level = organisations.org_level
    left join breaches
        on
            exceptions.exception = breaches.exception
            and exceptions.indicator_id = breaches.indicator_id
            and exceptions.org_code = breaches.org_code
            and exceptions.org_level = breaches.org_level
            and exceptions.period_type = breaches.period_type
            and exceptions.period_start = breaches.period_start
            and exceptions.period_end = breaches.period_end
            and exceptions.source = breaches.source
    left join restated
        on
            exceptions.indicator_id = restated.indicator_id
            and exceptions.org_code = restated.org_code
            and exceptions.org_level = restated.org_level
            and exceptions.period_type = restated.period_type
            and exceptions.period_start = restated.period_start
            and exceptions.period_end = restated.period_end
            and exceptions.source = restated.source
    left join spc_points
        on
            exceptions.indicator_id = spc_points.indicator_id
            and exceptions.org_code = spc_points.org_code
            and exceptions.series_level = spc_points.series_level
            and exceptions.period_type = spc_points.period_type
            and exceptions.period_start = spc_points.period_start
            and exceptions.source = spc_points.source

)

select
    exception,
    indicator_id,
    indicator_name,
    indicator_group,
    indicator_set,
    org_code,
    org_level,
    org_name,
    parent_code,
    period_type,
    period_start,
    period_end,
    period,
    source,
    plan_id,
    plan,
    plan_version,
    value,
    value_shown,
    unit,
    direction,
    expected_value,
    expected_shown,
    is_met,
    shortfall,
    shortfall_shown,
    excess_breaches,
    periods_in_breach,
    is_beginning_known,
    severity,
    row_number() over (
        partition by period_type, period_end
        order by
            is_met, severity_order,
            -- Of percentages the points, of all else the share of the standard, or the count where that is 0.
            case
                when unit = 'percent' or expected_value = 0 then shortfall
                else 100 * shortfall / abs(expected_value)
            end desc,
            periods_in_breach desc, org_code, org_level, indicator_id, exception desc, plan_id, plan_version,
            period_start
    ) as worst_first,
    change,
    case when has_last then last_value end as last_value,
    case when has_last then last_value_shown end as last_value_shown,
    restated_at is not null as is_restated,
    restated_at,
    restated_from,
    variation_icon,
    assurance_icon,
    is_provisional,
    caveat,
    coalesce(org_name, org_code)
    || case
        when exception = 'off plan' and is_met then ' was on plan again for '
        when exception = 'off plan' then ' was off plan for '
        when is_met then ' met the standard of ' || expected_shown || ' again for '
        else ' did not meet the standard of ' || expected_shown || ' for '
    end
    || indicator_name
    || case period_type when 'ytd' then ' from ' else ' in ' end || period || ': ' || value_shown
    || case
        when denominator is not null
            then ' (' || {{ shown('numerator', "'count'") }} || ' of ' || {{ shown('denominator', "'count'") }} || ')'
        else ''
    end
    || case when exception = 'off plan' then ' against a plan of ' || expected_shown else '' end
    || case
        when is_met then ', after ' || last_value_shown || ' in ' || last_period
        else ', ' || shortfall_shown || case when value > expected_value then ' above' else ' below' end || ' it'
        || case
            when excess_breaches > 0 and excess_breaches <> shortfall
                then ' and ' || {{ shown('excess_breaches', "'count'") }} || ' more than it allows'
            else ''
        end
        || case
            when periods_in_breach > 1
                then '; ' || case exception when 'off plan' then 'off plan' else 'out of standard' end || ' for '
                || periods_in_breach || case period_type
                    when 'week' then ' weeks'
                    when 'quarter' then ' quarters'
                    when 'financial_year' then ' years'
                    when 'calendar_year' then ' years'
                    else ' months'
                end || ' in a row' || case when is_beginning_known then '' else ', as far back as is held' end
            else ''
        end
        || case change
            when 'new' then '; new, after ' || last_value_shown || ' in ' || last_period
            when 'worse' then '; worse than in ' || last_period || ' (' || last_value_shown || ')'
            when 'better' then '; better than in ' || last_period || ' (' || last_value_shown || ')'
            when 'unchanged' then '; as in ' || last_period
            else ''
        end
    end
    || case
        when restated_at is not null
            then '; restated on ' || strftime(restated_at, '%-d %B %Y') || ' from ' || restated_from_shown
        else ''
    end
    || case when is_provisional then '; provisional' else '' end
    || '.' as narrative
from described
