with indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where value is not null

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

indicator_parts as (

    select * from {{ ref('indicator_parts') }}

),

rules as (

    select
        max(threshold) filter (where finding = 'parts_not_whole' and parameter = 'points') as points,
        max(threshold) filter (where finding = 'total_not_parts' and parameter = 'count') as count_off
    from {{ ref('data_query_rules') }}

),

wholes as (

    select
        whole_id,
        max(whole_name) as whole_name,
        max(whole_indicator_id) as whole_indicator_id,
        max(whole_value)::double as whole_value,
        count(*) as parts
    from indicator_parts
    group by whole_id

),

sums as (

    select
        wholes.whole_id,
        wholes.whole_name,
        wholes.whole_indicator_id,
        wholes.whole_value,
        {{ dataset_of_figure('parts.source', 'indicators.dataset') }} as dataset,
        parts.org_code,
        parts.org_level,
        parts.period_type,
        parts.period_start,
        parts.period_end,
        parts.source,
        max(wholes.parts) as parts,
        bool_or(parts.unit not in ('count', 'days')) as is_rounded,
        sum(parts.value) as sum_of_parts,
        max(parts.value) as greatest_part,
        string_agg(
            indicators.indicator_name || ' ' || {{ figure_in_words('parts.value') }}, '; ' order by parts.indicator_id
        ) as parts_in_words
    from indicator_values as parts
    inner join indicator_parts using (indicator_id)
    inner join wholes using (whole_id)
    inner join indicators using (indicator_id)
    group by all
    having count(*) = max(wholes.parts)

),

beside_whole as (

    select
        sums.*,
        coalesce(sums.whole_value, stated.value) as stated_whole
    from sums
    left join indicator_values as stated
        on
            sums.whole_indicator_id = stated.indicator_id
            and sums.org_code = stated.org_code
            and sums.org_level = stated.org_level
            and sums.period_type = stated.period_type
            and sums.period_start = stated.period_start
            and sums.period_end = stated.period_end
            and sums.source = stated.source

),

found as (

    select beside_whole.*
    from beside_whole
    cross join rules
    where
        case
            -- A part above the whole is a question of its own.
            when beside_whole.whole_value is not null
                then
                    abs(beside_whole.sum_of_parts - beside_whole.whole_value) > rules.points
                    and beside_whole.greatest_part <= beside_whole.whole_value
            -- Amounts are rounded each by itself.
            else
                abs(beside_whole.sum_of_parts - beside_whole.stated_whole)
                > rules.count_off * case when beside_whole.is_rounded then beside_whole.parts + 1 else 1 end
        end

)

select
    case when whole_value is not null then 'parts_not_whole' else 'total_not_parts' end as finding,
    dataset,
    whole_indicator_id as indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    whole_id as subject,
    whole_name || ': the parts of ' || {{ period_in_words('period_type', 'period_start', 'period_end') }} || ' add to '
    || {{ figure_in_words('sum_of_parts') }}
    || case
        when whole_value is not null then ' %, not to ' || {{ figure_in_words('whole_value') }}
            || '. Which part is wrong, or counted twice? Ask for the counts behind them.'
        else ', and the total says ' || {{ figure_in_words('stated_whole') }}
            || '. Which of them is wrong? Ask for all of them again.'
    end as question,
    parts_in_words as evidence
from found
