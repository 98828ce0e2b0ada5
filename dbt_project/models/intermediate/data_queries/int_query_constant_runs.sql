with points as (

    select * from {{ ref('int_query_points') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select {{ thresholds('sudden_constant', ['periods', 'usual_step', 'others_at_least']) }}
    from {{ ref('data_query_rules') }}

),

steps as (

    select
        *,
        figure - lag(figure) over series as step,
        period_number - lag(period_number) over series as periods_since
    from points
    window series as (partition by {{ series_columns() }} order by period_number)

),

numbered as (

    select
        *,
        count(*) filter (where step is distinct from 0 or periods_since > 1) over (
            partition by {{ series_columns() }}
            order by period_number
            rows unbounded preceding
        ) as run_number,
        -- A step within a run is 0: the other steps show how the series moves.
        median(case when step <> 0 then abs(step) end) over series as usual_step,
        count(case when step <> 0 then 1 end) over series as other_steps
    from steps
    window series as (partition by {{ series_columns() }})

),

runs as (

    select
        {{ series_columns() }},
        run_number,
        max(org_level) as org_level,
        min(period_start) as period_start,
        max(period_end) as period_end,
        max(figure) as figure,
        max(unit) as unit,
        max(last_digit) as last_digit,
        max(usual_step) as usual_step,
        max(other_steps) as other_steps,
        count(*) as periods
    from numbered
    group by all

),

found as (

    select runs.*
    from runs
    cross join rules
    where
        runs.periods >= rules.periods
        and runs.other_steps >= rules.others_at_least
        and runs.usual_step >= rules.usual_step * runs.last_digit
        and runs.figure <> 0
        and not (runs.unit = 'percent' and runs.figure = 100)

)

select
    'sudden_constant' as finding,
    found.dataset,
    found.indicator_id,
    found.org_code,
    found.org_level,
    found.period_type,
    found.period_start,
    found.period_end,
    found.source,
    found.observed as subject,
    indicators.indicator_name || case found.observed when 'denominator' then ', everyone counted' else '' end
    || ': exactly ' || {{ figure_in_words('found.figure') }} || ' in each of ' || found.periods || ' periods from '
    || {{ period_in_words('found.period_type', 'found.period_start', 'found.period_start') }}
    || '. Is an old figure carried forward? Ask for the figure of each period.' as question,
    'elsewhere the series moves by ' || {{ figure_in_words('found.usual_step') }} || ' from period to period (median of '
    || found.other_steps || ')' as evidence
from found
inner join indicators using (indicator_id)
