with calendar as (

    select * from {{ ref('datasets') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}

),

extracts as (

    select * from {{ ref('stg_landing__extracts') }}

),

counting as (

    select
        coverage.dataset,
        coverage.period_start,
        coverage.edition,
        coverage.published_on,
        extracts.received_at,
        extracts.period_end,
        max(coverage.period_start) over (partition by coverage.dataset) as latest_period_start
    from coverage
    inner join extracts using (extract_id)
    where {{ is_current('coverage.known_to') }}

),

held as (

    select
        dataset,
        max(latest_period_start) as latest_period_start,
        -- A list or a return ends where it says; a month or quarter where its kind does.
        max(period_end) as latest_day,
        max(published_on) filter (where period_start = latest_period_start) as latest_published_on,
        case when count(distinct edition) filter (where period_start = latest_period_start) > 1 then 'mixed'
            else max(edition) filter (where period_start = latest_period_start)
        end as latest_edition,
        max(received_at) as latest_received_at
    from counting
    group by dataset

),

held_back as (

    select
        dataset,
        count(*) as extracts_held_back,
        min(received_at) as stale_since,
        min(reason) as stale_reason
    from extracts
    where
        -- What stands as received after the night could not be loaded in it.
        outcome in ('held', 'received')
        {%- if var('as_known_at', none) %}
        and known_at <= timestamp '{{ var("as_known_at") }}'
        {%- endif %}
    group by dataset

),

expected as (

    select
        calendar.dataset,
        calendar.dataset_name,
        calendar.description,
        calendar.frequency,
        calendar.due_weeks,
        coalesce(calendar.grace_days, 0) as grace_days,
        calendar.last_period_start,
        held.latest_period_start,
        case when calendar.frequency = 'none' then held.latest_day
            else {{ period_end('calendar.frequency', 'held.latest_period_start') }}
        end as latest_period_end,
        held.latest_published_on,
        held.latest_edition,
        held.latest_received_at,
        case when calendar.frequency <> 'none'
            and held.latest_period_start < coalesce(calendar.last_period_start, date '9999-12-31')
            then (held.latest_period_start + {{ period_length('calendar.frequency') }})::date
        end as next_period_start,
        coalesce(held_back.extracts_held_back, 0) as extracts_held_back,
        held_back.stale_since,
        held_back.stale_reason
    from calendar
    left join held using (dataset)
    left join held_back using (dataset)

)

select
    dataset,
    dataset_name,
    description,
    frequency,
    due_weeks,
    grace_days,
    last_period_start,
    latest_period_start,
    latest_period_end,
    latest_published_on,
    latest_edition,
    latest_received_at,
    next_period_start,
    {{ period_end('frequency', 'next_period_start') }} as next_period_end,
    ({{ period_end('frequency', 'next_period_start') }} + due_weeks * 7 + grace_days)::date as due_on,
    extracts_held_back > 0 as is_stale,
    stale_since,
    stale_reason,
    extracts_held_back
from expected
