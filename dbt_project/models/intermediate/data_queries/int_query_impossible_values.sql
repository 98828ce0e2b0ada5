with indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where unit = 'percent' or source = 'reported'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

figures as (

    select
        {{ dataset_of_figure('indicator_values.source', 'indicators.dataset') }} as dataset,
        indicator_values.*,
        indicators.indicator_name,
        {{ last_digit(
            'indicator_values.value',
            'false',
            'over (partition by indicator_values.indicator_id, indicator_values.org_code, indicator_values.source)'
        ) }} as last_digit,
        case
            when indicator_values.unit <> 'percent' then indicator_values.numerator
            when indicator_values.denominator > 0
                then 100 * indicator_values.numerator / indicator_values.denominator
        end as value_of_counts
    from indicator_values
    inner join indicators using (indicator_id)

),

-- One question a series: what is no percentage in one month seldom is one in the next.
holding_counts as (

    select
        dataset,
        indicator_id,
        max(indicator_name) as indicator_name,
        org_code,
        org_level,
        period_type,
        source,
        min(period_start) filter (where value > 100) as first_start,
        max(period_end) filter (where value > 100) as last_end,
        count(*) filter (where value > 100) as above_100,
        count(value) as periods,
        min(value) filter (where value > 100) as lowest,
        max(value) filter (where value > 100) as highest,
        list_sort(list_distinct(list(value) filter (where value <= 100))) as others
    from figures
    where unit = 'percent' and denominator is null
    group by all
    having above_100 > 0

),

queries as (

    select
        'percentage_holds_counts' as finding,
        dataset,
        indicator_id,
        org_code,
        org_level,
        period_type,
        first_start as period_start,
        last_end as period_end,
        source,
        indicator_name || ' is a percentage, and holds ' || {{ figure_in_words('lowest') }}
        || case when highest > lowest then ' to ' || {{ figure_in_words('highest') }} else '' end
        || '. Are they counts? Ask for the counted and the whole; until then quote none of them.' as question,
        above_100 || ' of ' || periods || ' values are above 100'
        || case
            when len(others) > 0
                then '; the others: ' || array_to_string(list_transform(others, one -> {{ figure_in_words('one') }}), ', ')
            else ''
        end as evidence
    from holding_counts

    union all

    select
        'numerator_above_denominator' as finding,
        dataset,
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        source,
        indicator_name || ': more met the condition than were counted in '
        || {{ period_in_words('period_type', 'period_start', 'period_end') }}
        || '. Are the two swapped, or of different periods? Ask for both again.' as question,
        'numerator ' || {{ figure_in_words('numerator') }} || ', denominator ' || {{ figure_in_words('denominator') }}
            as evidence
    from figures
    where unit = 'percent' and numerator > denominator

    union all

    select
        'value_not_its_counts' as finding,
        dataset,
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        source,
        indicator_name || ': the value returned for '
        || {{ period_in_words('period_type', 'period_start', 'period_end') }}
        || ' is not what its counts give. Which of the three is wrong?' as question,
        'value ' || {{ figure_in_words('value') }} || ', numerator ' || {{ figure_in_words('numerator') }}
        || coalesce(', denominator ' || {{ figure_in_words('denominator') }}, '')
        || ', which gives ' || {{ figure_in_words('value_of_counts') }} as evidence
    from figures
    -- Half a unit of the last digit is rounding.
    where source = 'reported' and abs(value - value_of_counts) > 0.5 * last_digit + 0.000001

)

select
    finding,
    dataset,
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    null::varchar as subject,
    question,
    evidence
from queries
