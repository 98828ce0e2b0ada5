with indicator_values as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_indicator_values') }}
    where source = 'reported'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select
        max(threshold) filter (where finding = 'ytd_not_its_months' and parameter = 'count') as ytd_count,
        max(threshold) filter (where finding = 'ytd_not_its_months' and parameter = 'points') as ytd_points,
        max(threshold) filter (where finding = 'year_not_its_parts' and parameter = 'count') as year_count,
        max(threshold) filter (where finding = 'year_not_its_parts' and parameter = 'points') as year_points,
        max(threshold) filter (where finding = 'year_not_its_parts' and parameter = 'share') as year_share
    from {{ ref('data_query_rules') }}

),

-- A longer period beside the shorter ones of the same return that lie within it.
spans as (

    select
        longer.indicator_id,
        longer.org_code,
        longer.org_level,
        longer.period_type,
        longer.period_start,
        longer.period_end,
        longer.source,
        longer.unit,
        longer.value,
        part.period_type as part_type,
        count(*) as parts_returned,
        count(part.value) as parts_with_value,
        case part.period_type
            when 'quarter' then date_diff('quarter', longer.period_start, longer.period_end) + 1
            else date_diff('month', longer.period_start, longer.period_end) + 1
        end as parts_expected,
        sum(part.value) as sum_of_parts,
        min(part.value) as lowest,
        max(part.value) as highest,
        arg_max(part.value, part.period_start) as latest,
        max(part.period_end) filter (where part.value is not null) as latest_end,
        string_agg(
            {{ period_in_words('part.period_type', 'part.period_start', 'part.period_end') }} || ' '
            || coalesce({{ figure_in_words('part.value') }}, 'no figure'),
            '; ' order by part.period_start
        ) as parts_in_words
    from indicator_values as longer
    inner join indicator_values as part
        on
            longer.indicator_id = part.indicator_id
            and longer.org_code = part.org_code
            and longer.series_level = part.series_level
            and part.period_start >= longer.period_start
            and part.period_end <= longer.period_end
    where
        longer.value is not null
        and (
            (longer.period_type = 'ytd' and part.period_type = 'month')
            or (longer.period_type = 'quarter' and part.period_type = 'month')
            or (longer.period_type = 'financial_year' and part.period_type in ('month', 'quarter'))
        )
    group by all

),

judged as (

    select
        spans.*,
        indicators.indicator_name,
        indicators.dataset as indicator_dataset,
        indicators.is_stock,
        spans.parts_with_value = spans.parts_expected as is_complete,
        spans.unit in ('count', 'days', 'gbp_thousands', 'gbp_millions') and not indicators.is_stock as is_added,
        case
            when spans.period_type = 'ytd' then rules.ytd_points
            else rules.year_points
        end as points,
        case
            when spans.period_type = 'ytd' then rules.ytd_count
            else rules.year_count
        end as count_off,
        rules.year_share
    from spans
    inner join indicators using (indicator_id)
    cross join rules

),

found as (

    select
        *,
        case
            when value = 0 and parts_with_value = 0 then 'zero_of_missing'
            when parts_with_value = 0 then null
            when
                is_stock and latest_end = period_end and abs(value - latest) > case
                    when unit = 'percent' then points
                    else count_off
                end
                then 'does not follow'
            when is_stock then null
            when is_added and is_complete and abs(value - sum_of_parts) > count_off then 'does not follow'
            when unit in ('count', 'days') and not is_stock and value < sum_of_parts - count_off then 'does not follow'
            when is_added then null
            -- What was never returned may have been counted all the same; what is returned as missing cannot.
            when parts_returned < parts_expected then null
            when
                unit = 'rate_per_100000'
                and is_complete
                and abs(value - sum_of_parts) <= year_share * sum_of_parts
                then null
            when value < lowest - points or value > highest + points then 'does not follow'
        end as verdict
    from judged

)

select
    case
        when verdict = 'zero_of_missing' then 'zero_of_missing'
        when period_type = 'ytd' then 'ytd_not_its_months'
        else 'year_not_its_parts'
    end as finding,
    {{ dataset_of_figure('source', 'indicator_dataset') }} as dataset,
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    part_type as subject,
    indicator_name || ': ' || {{ figure_in_words('value') }} || ' for '
    || {{ period_in_words('period_type', 'period_start', 'period_end') }}
    || case
        when verdict = 'zero_of_missing'
            then ', of which no part has a figure. It is missing, not 0: take it out, and ask for the figures.'
        when is_stock
            then ', where the latest part says ' || {{ figure_in_words('latest') }}
                || '. It counts who waits at a month''s end: the latest month should stand for the year.'
        when not is_complete
            then ' does not follow from the figures returned, and a part is missing. What does it rest on?'
        when is_added
            then ', where its parts add to ' || {{ figure_in_words('sum_of_parts') }} || '. Which is wrong?'
        else ' lies outside its parts, ' || {{ figure_in_words('lowest') }} || ' to ' || {{ figure_in_words('highest') }}
            || '. Which is wrong?'
    end as question,
    parts_in_words as evidence
from found
where verdict is not null
