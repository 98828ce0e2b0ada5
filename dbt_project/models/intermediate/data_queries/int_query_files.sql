with received_files as (

    select * from {{ ref('stg_landing__received_files') }}

),

extracts as (

    select * from {{ ref('stg_landing__extracts') }}

),

indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where source = 'derived' and period_type in ('month', 'quarter')

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

rules as (

    select {{ thresholds('stays_provisional', ['months']) }}
    from {{ ref('data_query_rules') }}

),

refused as (

    select
        extracts.extract_id,
        extracts.dataset,
        extracts.period_start,
        extracts.period_end,
        extracts.reason,
        min(received_files.file_name) as file_name
    from extracts
    inner join received_files using (extract_id)
    where extracts.outcome in ('quarantined', 'waiting') and extracts.dataset is not null and received_files.is_present
    group by all

),

months_held as (

    select
        indicators.dataset,
        indicator_values.period_type,
        indicator_values.period_start,
        max(indicator_values.period_end) as period_end,
        bool_or(indicator_values.is_provisional) as is_provisional
    from indicator_values
    inner join indicators using (indicator_id)
    group by all

),

latest_held as (

    select
        dataset,
        max(period_start) as latest_start
    from months_held
    group by dataset

),

still_provisional as (

    select
        months_held.dataset,
        months_held.period_type,
        min(months_held.period_start) as period_start,
        max(months_held.period_end) as period_end,
        count(*) as periods,
        string_agg(
            strftime(months_held.period_start, '%Y-%m'), ', ' order by months_held.period_start
        ) as periods_in_words
    from months_held
    inner join latest_held using (dataset)
    cross join rules
    where
        months_held.is_provisional
        and months_held.period_start + to_months(rules.months::integer) <= latest_held.latest_start
    group by months_held.dataset, months_held.period_type

)

select
    'file_refused' as finding,
    dataset,
    null::varchar as indicator_id,
    null::varchar as org_code,
    null::varchar as org_level,
    null::varchar as period_type,
    period_start,
    period_end,
    case dataset when 'local_returns' then 'reported' else 'derived' end as source,
    extract_id as subject,
    file_name || ' is not loaded. Fetch it again; if it is as published, ask the publisher.' as question,
    reason as evidence
from refused

union all

select
    'stays_provisional' as finding,
    dataset,
    null::varchar as indicator_id,
    null::varchar as org_code,
    null::varchar as org_level,
    period_type,
    period_start,
    period_end,
    'derived' as source,
    null::varchar as subject,
    periods || ' periods of ' || dataset || ' are still provisional. Fetch their final editions.' as question,
    periods_in_words as evidence
from still_provisional
