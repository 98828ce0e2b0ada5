with points as (

    select * from {{ ref('int_query_points') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select
        {{ thresholds('level_shift', [
            'points_each_side', 'reach', 'robust_deviations', 'jump_share', 'times', 'count_at_least', 'points_at_least'
        ]) }}
    from {{ ref('data_query_rules') }}

),

-- Each point as the first of a new level, between the points before it and those from it on.
splits as (

    select
        points.*,
        lag(points.level) over series as level_before,
        lag(points.period_number) over series as period_before,
        max(points.level) over earlier as highest_before,
        min(points.level) over earlier as lowest_before,
        max(points.level) over later as highest_after,
        min(points.level) over later as lowest_after
    from points
    cross join rules
    window
        series as (partition by {{ series_columns('points') }} order by points.period_number),
        earlier as (
            partition by {{ series_columns('points') }}
            order by points.period_number
            range between rules.reach preceding and 1 preceding
        ),
        later as (
            partition by {{ series_columns('points') }}
            order by points.period_number
            range between current row and rules.reach - 1 following
        )

),

apart as (

    -- Levels that overlap are not two levels: the arithmetic below is for the rest.
    select *
    from splits
    where
        (highest_before < lowest_after or lowest_before > highest_after)
        and period_number - period_before = 1

),

sides as (

    select
        {{ series_columns('apart') }},
        apart.org_level,
        apart.period_start,
        apart.period_end,
        apart.unit,
        apart.is_counted,
        apart.last_digit,
        apart.level,
        apart.level_before,
        list(points.level) filter (where points.period_number < apart.period_number) as levels_before,
        list(points.level) filter (where points.period_number >= apart.period_number) as levels_after,
        median(points.figure) filter (where points.period_number < apart.period_number) as figure_before,
        median(points.figure) filter (where points.period_number >= apart.period_number) as figure_after,
        max(points.period_end) as last_period_end
    from apart
    inner join points using ({{ series_columns() }})
    cross join rules
    where
        points.period_number >= apart.period_number - rules.reach
        and points.period_number < apart.period_number + rules.reach
    group by all

),

measured as (

    select
        *,
        list_median(levels_before) as usual_before,
        list_median(levels_after) as usual_after,
        abs(usual_after - usual_before) as shift,
        list_median(
            list_concat(
                list_transform(levels_before, one -> abs(one - usual_before)),
                list_transform(levels_after, one -> abs(one - usual_after))
            )
        ) as median_deviation,
        greatest(
            1.4826 * median_deviation,
            case
                when is_counted then greatest(0.5, 0.3 * last_digit / greatest(sqrt(figure_before), 1))
                when unit = 'percent' then greatest(1, last_digit)
                else last_digit
            end
        ) as spread
    from sides

),

found as (

    select measured.*
    from measured
    cross join rules
    where
        len(measured.levels_before) >= rules.points_each_side
        and len(measured.levels_after) >= rules.points_each_side
        and measured.shift > rules.robust_deviations * measured.spread
        and abs(measured.level - measured.level_before) >= rules.jump_share * measured.shift
        and case
            when measured.unit = 'percent' then measured.shift >= rules.points_at_least
            else
                (
                    measured.figure_after >= rules.times * measured.figure_before
                    or measured.figure_before >= rules.times * measured.figure_after
                )
                and (
                    not measured.is_counted
                    or abs(measured.figure_after - measured.figure_before) >= rules.count_at_least
                )
        end
    -- The clearest step of a series stands for those beside it.
    qualify row_number() over (
        partition by {{ series_columns('measured') }}
        order by measured.shift / measured.spread desc, measured.period_start
    ) = 1

)

select
    'level_shift' as finding,
    found.dataset,
    found.indicator_id,
    found.org_code,
    found.org_level,
    found.period_type,
    found.period_start,
    found.last_period_end as period_end,
    found.source,
    found.observed as subject,
    indicators.indicator_name || case found.observed when 'denominator' then ', everyone counted' else '' end
    || ': about ' || {{ figure_in_words('found.figure_after') }} || ' from '
    || {{ period_in_words('found.period_type', 'found.period_start', 'found.period_end') }} || ' on, about '
    || {{ figure_in_words('found.figure_before') }} || ' before. '
    || 'What changed: the service, the definition, or who counts? Note it beside the series.' as question,
    len(found.levels_before) || ' periods before and ' || len(found.levels_after)
    || ' after do not overlap; the step is '
    || {{ figure_in_words('round(found.shift / found.spread, 1)') }} || ' robust deviations' as evidence
from found
inner join indicators using (indicator_id)
