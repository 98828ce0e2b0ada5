with indicator_values as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_indicator_values') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select {{ thresholds('series', ['peers_at_least']) }}
    from {{ ref('data_query_rules') }}

),

figures as (

    -- A percentage with its counts is performance, which the breaches show; without them it is all that can be looked at.
    select
        {{ dataset_of_figure('indicator_values.source', 'indicators.dataset') }} as dataset,
        indicator_values.indicator_id,
        indicator_values.org_code,
        indicator_values.org_level,
        indicator_values.series_level,
        indicator_values.source,
        indicator_values.period_type,
        indicator_values.period_start,
        indicator_values.period_end,
        'value' as observed,
        indicator_values.value as figure,
        indicator_values.unit,
        indicator_values.unit in ('count', 'days') as is_counted
    from indicator_values
    inner join indicators using (indicator_id)
    where
        indicator_values.period_type in ('week', 'month', 'quarter')
        and indicator_values.value is not null
        and (indicator_values.unit <> 'percent' or indicator_values.denominator is null)

    union all

    select
        {{ dataset_of_figure('indicator_values.source', 'indicators.dataset') }} as dataset,
        indicator_values.indicator_id,
        indicator_values.org_code,
        indicator_values.org_level,
        indicator_values.series_level,
        indicator_values.source,
        indicator_values.period_type,
        indicator_values.period_start,
        indicator_values.period_end,
        'denominator' as observed,
        indicator_values.denominator as figure,
        'count' as unit,
        true as is_counted
    from indicator_values
    inner join indicators using (indicator_id)
    where
        indicator_values.period_type in ('week', 'month', 'quarter')
        and indicator_values.unit = 'percent'
        and indicator_values.denominator is not null

),

numbered as (

    select
        *,
        case period_type
            when 'week' then floor((period_start - date '2000-01-03') / 7)::integer
            when 'quarter' then (year(period_start) * 12 + month(period_start) - 1) // 3
            else year(period_start) * 12 + month(period_start) - 1
        end as period_number,
        count(*) over series as points_in_series,
        median(figure) over series as usual_figure,
        {{ last_digit('figure', 'is_counted', 'over series') }} as last_digit
    from figures
    window series as (partition by {{ series_columns() }})

),

relative as (

    -- The root of a count varies by about a half, whatever its size.
    select
        *,
        case
            when is_counted and usual_figure > 0 then sqrt(greatest(figure, 0) / usual_figure)
            when unit = 'percent' then figure - usual_figure
        end as relative_level
    from numbered

),

beside_peers as (

    select
        relative.*,
        count(relative.relative_level) over peers >= rules.peers_at_least as has_peers,
        median(relative.relative_level) over peers as peers_level,
        mad(relative.relative_level) over peers as peers_spread
    from relative
    cross join rules
    window
        peers as (
            partition by
                relative.dataset, relative.indicator_id, relative.series_level, relative.source,
                relative.period_type, relative.observed, relative.period_start
        )

)

select
    dataset,
    indicator_id,
    org_code,
    org_level,
    series_level,
    source,
    period_type,
    period_start,
    period_end,
    period_number,
    observed,
    figure,
    unit,
    is_counted,
    points_in_series,
    last_digit,
    has_peers,
    case
        when is_counted and has_peers and peers_level > 0 then sqrt(greatest(figure, 0)) / peers_level
        when is_counted then sqrt(greatest(figure, 0))
        when unit = 'percent' and has_peers then figure - peers_level
        else figure
    end as level,
    case
        when is_counted and has_peers and peers_level > 0 then peers_level
        when is_counted then 1
        when unit = 'percent' and has_peers then peers_level
        else 0
    end as peers_level,
    case
        when has_peers and relative_level is not null
            then abs(relative_level - peers_level) / greatest(1.4826 * peers_spread, 0.000001)
    end as peer_deviations
from beside_peers
