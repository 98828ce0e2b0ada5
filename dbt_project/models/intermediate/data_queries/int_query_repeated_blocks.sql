with indicator_values as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_indicator_values') }}
    where period_type in ('week', 'month', 'quarter') and value is not null

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

indicator_parts as (

    select * from {{ ref('indicator_parts') }}

),

rules as (

    select {{ thresholds('repeated_block', ['within', 'rows_at_least', 'telling_figures', 'digits', 'usual_step']) }}
    from {{ ref('data_query_rules') }}

),

-- The rows that a provider fills in together: a whole and its parts, or all that an organisation has of one group.
blocks as (

    select distinct
        whole_id as block_id,
        whole_name as block_name,
        indicator_id
    from indicator_parts

    union

    select distinct
        whole_id as block_id,
        whole_name as block_name,
        whole_indicator_id as indicator_id
    from indicator_parts
    where whole_indicator_id is not null

    union

    select
        dataset || ' ' || indicator_group as block_id,
        indicator_group || ' indicators' as block_name,
        indicator_id
    from indicators

),

block_rows as (

    select
        {{ dataset_of_figure('indicator_values.source', 'indicators.dataset') }} as dataset,
        blocks.block_id,
        blocks.block_name,
        indicator_values.indicator_id,
        indicators.indicator_name,
        indicator_values.org_code,
        indicator_values.org_level,
        indicator_values.series_level,
        indicator_values.source,
        indicator_values.period_type,
        indicator_values.period_start,
        indicator_values.period_end,
        indicator_values.numerator,
        indicator_values.denominator,
        indicator_values.value,
        coalesce(indicator_values.denominator, indicator_values.value) as counted,
        {{ last_digit(
            'coalesce(indicator_values.denominator, indicator_values.value)',
            "(indicator_values.unit <> 'percent' or indicator_values.denominator is not null)",
            'over series'
        ) }} as last_digit,
        coalesce(indicator_values.denominator, indicator_values.value)
        - lag(coalesce(indicator_values.denominator, indicator_values.value)) over (
            series order by indicator_values.period_start
        ) as step
    from indicator_values
    inner join indicators using (indicator_id)
    inner join blocks using (indicator_id)
    window
        series as (
            partition by
                blocks.block_id, indicator_values.indicator_id, indicator_values.org_code,
                indicator_values.series_level, indicator_values.source, indicator_values.period_type
        )

),

-- Zeros, hundreds, numbers of one or two digits and series that hardly move repeat by themselves.
told as (

    select
        block_rows.*,
        case
            when
                block_rows.counted >= rules.digits * block_rows.last_digit
                and not (block_rows.denominator is null and block_rows.numerator is null and block_rows.counted = 100)
                and coalesce(
                    median(case when block_rows.step <> 0 then abs(block_rows.step) end) over (
                        partition by
                            block_rows.block_id, block_rows.indicator_id, block_rows.org_code,
                            block_rows.series_level, block_rows.source, block_rows.period_type
                    ) >= rules.usual_step * block_rows.last_digit,
                    true
                )
                then block_rows.counted
        end as telling_figure
    from block_rows
    cross join rules

),

block_periods as (

    select
        dataset,
        block_id,
        block_name,
        org_code,
        max(org_level) as org_level,
        series_level,
        source,
        period_type,
        period_start,
        period_end,
        count(*) as row_count,
        md5(
            string_agg(
                concat_ws(' ', indicator_id, numerator, '/', denominator, '=', value),
                '; ' order by indicator_id
            )
        ) as fingerprint,
        count(distinct telling_figure) as telling_figures
    from told
    group by all
    -- What a block repeats is as long and as telling as the block.
    having
        count(*) >= (select rows_at_least from rules)
        and count(distinct telling_figure) >= (select telling_figures from rules)

),

repeated as (

    select
        block_periods.*,
        earlier.period_start as earlier_start,
        earlier.period_end as earlier_end
    from block_periods
    cross join rules
    inner join block_periods as earlier
        using (dataset, block_id, org_code, series_level, source, period_type, fingerprint)
    where
        earlier.period_start < block_periods.period_start
        and earlier.period_start >= block_periods.period_start - case block_periods.period_type
            when 'week' then to_weeks(rules.within::integer)
            when 'quarter' then to_months(3 * rules.within::integer)
            else to_months(rules.within::integer)
        end
    -- The latest period that it repeats, and of the blocks that do the widest.
    qualify row_number() over (
        partition by
            block_periods.dataset, block_periods.org_code, block_periods.series_level, block_periods.source,
            block_periods.period_type, block_periods.period_start
        order by block_periods.row_count desc, earlier.period_start desc, block_periods.block_id
    ) = 1

),

words as (

    select
        repeated.dataset,
        repeated.block_id,
        repeated.org_code,
        repeated.series_level,
        repeated.source,
        repeated.period_type,
        repeated.period_start,
        string_agg(
            told.indicator_name || ' ' || {{ figure_in_words('told.value') }}, '; ' order by told.indicator_id
        ) as figures_in_words
    from repeated
    inner join told using (dataset, block_id, org_code, series_level, source, period_type, period_start)
    group by all

)

select
    'repeated_block' as finding,
    dataset,
    null::varchar as indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    block_id as subject,
    block_name || ': all ' || row_count || ' rows of '
    || {{ period_in_words('period_type', 'period_start', 'period_end') }} || ' are those of '
    || {{ period_in_words('period_type', 'earlier_start', 'earlier_end') }}
    || ' to the last digit. Which of the two periods is real? Ask for the other again.' as question,
    figures_in_words as evidence
from repeated
inner join words using (dataset, block_id, org_code, series_level, source, period_type, period_start)
