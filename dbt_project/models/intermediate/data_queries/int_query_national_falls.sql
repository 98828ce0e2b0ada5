with points as (

    select * from {{ ref('int_query_points') }}
    where org_level = 'national' and is_counted

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select {{ thresholds('england_fell', ['share_of_recent', 'earlier_at_least', 'robust_deviations']) }}
    from {{ ref('data_query_rules') }}

),

before as (

    select
        points.*,
        list(earlier.figure) as earlier_figures,
        list_median(earlier_figures) as usual_figure,
        list_median(list_transform(earlier_figures, other -> abs(sqrt(other) - sqrt(usual_figure)))) as median_deviation
    from points
    inner join points as earlier using ({{ series_columns() }})
    where earlier.period_number between points.period_number - 12 and points.period_number - 1
    group by all

),

found as (

    select before.*
    from before
    cross join rules
    where
        len(before.earlier_figures) >= rules.earlier_at_least
        and before.figure < rules.share_of_recent * before.usual_figure
        and sqrt(before.usual_figure) - sqrt(before.figure)
        > rules.robust_deviations * greatest(1.4826 * before.median_deviation, 0.5)

)

select
    'england_fell' as finding,
    found.dataset,
    null::varchar as indicator_id,
    found.org_code,
    found.org_level,
    found.period_type,
    found.period_start,
    found.period_end,
    found.source,
    null::varchar as subject,
    found.dataset || ': England fell far below the year before in '
    || {{ period_in_words('found.period_type', 'found.period_start', 'found.period_end') }}
    || '. Is the file whole? Compare its organisations with those of the period before.' as question,
    string_agg(
        indicators.indicator_name || case found.observed when 'denominator' then ', everyone counted' else '' end || ' '
        || {{ figure_in_words('found.figure') }} || ' (median before '
        || {{ figure_in_words('found.usual_figure') }} || ')',
        '; ' order by found.indicator_id, found.observed
    ) as evidence
from found
inner join indicators using (indicator_id)
group by
    found.dataset, found.org_code, found.org_level, found.period_type, found.period_start, found.period_end,
    found.source
