with points as (

    select * from {{ ref('int_query_points') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select
        {{ thresholds('one_off_value', [
            'neighbours_within', 'neighbours_at_least', 'earlier_at_least', 'robust_deviations', 'peer_deviations',
            'others_at_most', 'times_expected', 'count_at_least', 'points_at_least'
        ]) }},
        max(threshold) filter (where finding = 'wrong_magnitude' and parameter = 'tolerance') as magnitude_tolerance
    from {{ ref('data_query_rules') }}

),

beside_others as (

    select
        points.*,
        max(points.level) over others as highest_other,
        min(points.level) over others as lowest_other
    from points
    cross join rules
    window
        others as (
            partition by {{ series_columns('points') }}
            order by points.period_number
            range between rules.neighbours_within preceding and rules.neighbours_within following exclude current row
        )

),

outermost as (

    -- What does not lie outside all its neighbours cannot lie far outside them: the arithmetic below is for the rest.
    select beside_others.*
    from beside_others
    cross join rules
    where
        (beside_others.level > beside_others.highest_other or beside_others.level < beside_others.lowest_other)
        and beside_others.points_in_series > rules.neighbours_at_least
        and (beside_others.peer_deviations is null or beside_others.peer_deviations > rules.peer_deviations)

),

neighbours as (

    select
        {{ series_columns('outermost') }},
        outermost.org_level,
        outermost.period_start,
        outermost.period_end,
        outermost.figure,
        outermost.level,
        outermost.unit,
        outermost.is_counted,
        outermost.last_digit,
        outermost.peers_level,
        outermost.has_peers,
        list(points.level) as levels,
        list_median(levels) as usual_level,
        list_transform(levels, other -> abs(other - usual_level)) as deviations,
        list_median(deviations) as median_deviation,
        list_max(deviations) as greatest_deviation,
        median(points.figure) as usual_figure,
        min(points.figure) as lowest_figure,
        max(points.figure) as highest_figure,
        count(*) as neighbours,
        count(*) filter (where points.period_start < outermost.period_start) as earlier
    from outermost
    inner join points using ({{ series_columns() }})
    cross join rules
    where
        points.period_number <> outermost.period_number
        and abs(points.period_number - outermost.period_number) <= rules.neighbours_within
    group by all

),

measured as (

    select
        *,
        abs(level - usual_level) as deviation,
        -- What a series that did not vary at all might still show by chance or by rounding.
        greatest(
            1.4826 * median_deviation,
            case
                when is_counted then greatest(0.5, 0.3 * last_digit / greatest(sqrt(usual_figure), 1))
                when unit = 'percent' then greatest(1, last_digit)
                else last_digit
            end
        ) as spread,
        case
            when is_counted then (usual_level * peers_level) ** 2
            else usual_level + peers_level
        end as expected_figure,
        case when expected_figure > 0 then figure / expected_figure end as times
    from neighbours

),

found as (

    select
        measured.*,
        list_has_any(
            list_transform(
                [10, 100, 1000],
                factor -> abs(measured.times / factor - 1) <= rules.magnitude_tolerance
                or abs(measured.times * factor - 1) <= rules.magnitude_tolerance
            ),
            [true]
        ) as is_power_of_ten
    from measured
    cross join rules
    where
        measured.neighbours >= rules.neighbours_at_least
        and measured.earlier >= rules.earlier_at_least
        and measured.deviation > rules.robust_deviations * measured.spread
        and measured.greatest_deviation <= rules.others_at_most * measured.deviation
        -- Where everybody else moved, who stayed where it always was is no odd value.
        and (measured.figure > measured.highest_figure or measured.figure < measured.lowest_figure)
        and case
            when measured.unit = 'percent' then measured.deviation >= rules.points_at_least
            else
                (measured.times >= rules.times_expected or measured.times <= 1 / rules.times_expected)
                and (not measured.is_counted or abs(measured.figure - measured.expected_figure) >= rules.count_at_least)
        end

)

select
    case when found.is_power_of_ten then 'wrong_magnitude' else 'one_off_value' end as finding,
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
    || ': ' || {{ figure_in_words('found.figure') }} || ' in '
    || {{ period_in_words('found.period_type', 'found.period_start', 'found.period_end') }}
    || ', where about ' || {{ figure_in_words('round(found.expected_figure, case when found.is_counted then 0 else 1 end)') }} || ' was to be expected. '
    || case
        when found.is_power_of_ten then 'Is it a unit or a decimal point? Ask for the figure again.'
        else 'Is it a slip, or did something happen? Ask whoever gave it, and correct or explain it.'
    end as question,
    found.neighbours || ' periods around it: ' || {{ figure_in_words('found.lowest_figure') }} || ' to '
    || {{ figure_in_words('found.highest_figure') }} || ', median ' || {{ figure_in_words('found.usual_figure') }}
    || '; ' || {{ figure_in_words('round(found.deviation / found.spread, 1)') }} || ' robust deviations away'
    || case when found.has_peers then '; other organisations stayed near their own level then' else '' end as evidence
from found
inner join indicators using (indicator_id)
