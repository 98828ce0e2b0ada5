{#- What makes points one series of a control chart. -#}
{% macro spc_series(relation=none) -%}
    {%- for column in ['indicator_id', 'org_code', 'series_level', 'source', 'period_type'] -%}
        {{ relation ~ '.' if relation }}{{ column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#-
    How far a figure (in millionths) lies from the mean of a baseline, times its points and the moving ranges kept:
    whole numbers, so that a comparison with a limit is exact. `spc_reach` is the same for a limit, with 3 for the
    process limits and 2 for the near limits, in thirds.
-#}
{% macro spc_distance(figure, baseline) -%}
    (({{ figure }})::hugeint * {{ baseline }}.baseline_points - {{ baseline }}.baseline_sum)
            * {{ baseline }}.kept_ranges * 300
{%- endmacro %}

{% macro spc_reach(baseline, thirds) -%}
    ({{ baseline }}.kept_sum * {{ baseline }}.baseline_points * {{ thirds }} * {{ var('spc_limit_hundredths') }})
{%- endmacro %}

{#- 1 above a limit, -1 below the opposite one, 0 between; null where the baseline has no limits. -#}
{% macro spc_beyond(figure, baseline, thirds) -%}
    case
            when {{ baseline }}.kept_ranges > 0 then
                case
                    when {{ spc_distance(figure, baseline) }} > {{ spc_reach(baseline, thirds) }} then 1
                    when {{ spc_distance(figure, baseline) }} < -{{ spc_reach(baseline, thirds) }} then -1
                    else 0
                end
        end
{%- endmacro %}

{#- The rule that names a point that breaks several, in the order of precedence; null for common cause variation. -#}
{% macro spc_rule(outside, trend, two_of_three, shift) -%}
    case
            when {{ outside }} <> 0 then 'outside_limits'
            when {{ trend }} <> 0 then 'trend'
            when {{ two_of_three }} <> 0 then 'two_of_three'
            when {{ shift }} <> 0 then 'shift'
        end
{%- endmacro %}

{#- 1 for high values or a rise, -1 for low ones or a fall, by the rule that names the point. -#}
{% macro spc_side(outside, trend, two_of_three, shift) -%}
    coalesce(
            nullif({{ outside }}, 0), nullif({{ trend }}, 0), nullif({{ two_of_three }}, 0), nullif({{ shift }}, 0)
        )
{%- endmacro %}

{#- improvement, concern or neutral: what a side means in the direction of an indicator. -#}
{% macro spc_meaning(side, direction) -%}
    case
            when {{ side }} is null then 'common_cause'
            when {{ direction }} = 'neutral' then 'neutral'
            when ({{ side }} = 1) = ({{ direction }} = 'higher') then 'improvement'
            else 'concern'
        end
{%- endmacro %}

{#-
    The control charts of points, one row a chart and point, each chart as it stood when `charts.chart_number` was the
    last point of its series. `points` are rows of `int_spc_points`.
-#}
{% macro spc_charts(points, charts) -%}
    with points as (

        select * from {{ points }}

    ),

    charts as (

        {{ charts }}

    ),

    indicators as (

        select * from {{ ref('dim_indicators') }}

    ),

    drawn as (

        select
            points.*,
            charts.chart_number,
            charts.as_at,
            -- The limits of a baseline are those of its last point on the chart.
            least(charts.chart_number, points.last_of_baseline) as limits_number
        from points
        inner join charts using (series_number)
        where points.point_number <= charts.chart_number

    ),

    judged as (

        select
            drawn.*,
            limits.mean as chart_mean,
            limits.average_moving_range as chart_average_moving_range,
            limits.lower_limit as chart_lower_limit,
            limits.upper_limit as chart_upper_limit,
            limits.near_lower_limit as chart_near_lower_limit,
            limits.near_upper_limit as chart_near_upper_limit,
            limits.baseline_points as chart_baseline_points,
            drawn.moving_range_millionths::hugeint * 1000 * (limits.baseline_points - 1)
            > limits.ranges_sum * {{ var('spc_screening_thousandths') }} as is_screened,
            {{ spc_beyond('drawn.millionths', 'limits', 3) }} as outside,
            {{ spc_beyond('drawn.millionths', 'limits', 2) }} as near,
            sign(drawn.millionths::hugeint * limits.baseline_points - limits.baseline_sum)::integer as mean_side
        from drawn
        inner join points as limits
            on
                drawn.series_number = limits.series_number
                and drawn.limits_number = limits.point_number

    ),

    sevens as (

        select
            *,
            case abs(sum(mean_side) over seven) when 7 then mean_side end as shift_ends,
            case
                when
                    near in (
                        lag(near) over baseline, lag(near, 2) over baseline,
                        lead(near) over baseline, lead(near, 2) over baseline
                    )
                    then near
            end as two_of_three
        from judged
        window
            baseline as (
                partition by org_code, series_number, as_at, baseline_number
                order by point_number
            ),
            seven as (
                partition by org_code, series_number, as_at, baseline_number
                order by point_number
                rows between 6 preceding and current row
            )

    ),

    -- All seven points of a trend or shift bear it; the turning point of two trends belongs to the first.
    marked as (

        select
            *,
            first_value(nullif(trend, 0) ignore nulls) over next_seven as trend_part,
            first_value(shift_ends ignore nulls) over next_seven as shift_part
        from sevens
        window
            next_seven as (
                partition by org_code, series_number, as_at, baseline_number
                order by point_number
                rows between current row and 6 following
            )

    )

    select
        marked.indicator_id,
        marked.org_code,
        marked.org_level,
        marked.series_level,
        marked.source,
        marked.period_type,
        marked.as_at,
        marked.period_start,
        marked.period_end,
        marked.is_preferred,
        marked.point_number,
        marked.value,
        marked.unit,
        marked.is_provisional,
        marked.periods_missing_before,
        marked.baseline_number,
        marked.baseline_start,
        marked.baseline_reason,
        marked.chart_baseline_points as points_in_baseline,
        marked.chart_baseline_points < {{ var('spc_enough_points') }} as is_short,
        marked.moving_range_millionths / 1000000 as moving_range,
        coalesce(marked.is_screened, false) as is_moving_range_screened,
        marked.chart_mean as mean,
        marked.chart_average_moving_range as average_moving_range,
        marked.chart_lower_limit as lower_limit,
        marked.chart_upper_limit as upper_limit,
        marked.chart_near_lower_limit as near_lower_limit,
        marked.chart_near_upper_limit as near_upper_limit,
        coalesce(marked.outside <> 0, false) as is_outside_limits,
        marked.trend_part is not null as is_in_trend,
        coalesce(marked.two_of_three <> 0, false) as is_two_of_three,
        marked.shift_part is not null as is_in_shift,
        {{ spc_rule('marked.outside', 'marked.trend_part', 'marked.two_of_three', 'marked.shift_part') }} as rule,
        case {{ spc_side('marked.outside', 'marked.trend_part', 'marked.two_of_three', 'marked.shift_part') }}
            when 1 then 'high'
            when -1 then 'low'
        end as rule_side,
        case
            when marked.chart_upper_limit is not null then
                {{ spc_meaning(
                    spc_side('marked.outside', 'marked.trend_part', 'marked.two_of_three', 'marked.shift_part'),
                    'indicators.direction'
                ) }}
        end as variation,
        marked.standard as target,
        marked.comparator as target_comparator,
        marked.is_met,
        last_points.standard as latest_target,
        last_points.comparator as latest_target_comparator,
        last_points.variation_icon,
        last_points.assurance_icon,
        last_points.caveat as chart_caveat,
        marked.value_caveat
    from marked
    inner join points as last_points
        on
            marked.series_number = last_points.series_number
            and marked.chart_number = last_points.point_number
    inner join indicators on marked.indicator_id = indicators.indicator_id
{%- endmacro %}
