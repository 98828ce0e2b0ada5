with coverage as (

    select * from {{ source('raw', 'extract_coverage') }}

),

extracts as (

    select * from {{ ref('stg_landing__extracts') }}

),

slices as (

    select
        coverage.extract_id,
        coverage.dataset,
        coverage.view,
        coverage.part,
        coverage.period_start,
        extracts.edition,
        extracts.is_provisional,
        extracts.published_on,
        extracts.received_at,
        extracts.caveat,
        extracts.known_at
    from coverage
    inner join extracts using (extract_id)
    where
        extracts.outcome = 'loaded'
        {%- if var('as_known_at', none) %}
        -- Reference data holds for the dates it states, whenever it was received.
        and (extracts.known_at <= timestamp '{{ var("as_known_at") }}' or coverage.dataset = 'organisations')
        {%- endif %}

),

-- Whenever an extract of a period becomes known, what counts for the period may change.
changes as (

    select
        dataset,
        period_start,
        known_at as known_from,
        coalesce(
            lead(known_at) over (partition by dataset, period_start order by known_at), {{ forever() }}
        ) as known_to
    from (select distinct dataset, period_start, known_at from slices)

)

select
    slices.extract_id,
    slices.dataset,
    slices.view,
    slices.part,
    slices.period_start,
    changes.known_from,
    changes.known_to,
    slices.edition,
    slices.is_provisional,
    slices.published_on,
    slices.caveat
from changes
inner join slices
    on
        changes.dataset = slices.dataset
        and changes.period_start = slices.period_start
        and changes.known_from >= slices.known_at
-- Final before revised before unstated before provisional; then publication, else receipt, decides. What arrives together
-- and says neither is refused at landing.
qualify row_number() over (
    partition by slices.dataset, slices.view, slices.part, slices.period_start, changes.known_from
    order by
        case slices.edition when 'final' then 3 when 'revised' then 2 when 'provisional' then 0 else 1 end desc,
        coalesce(slices.published_on, cast(slices.received_at as date)) desc,
        slices.received_at desc,
        slices.extract_id
) = 1
