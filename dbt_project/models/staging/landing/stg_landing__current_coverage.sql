with coverage as (

    select * from {{ source('raw', 'extract_coverage') }}

),

extracts as (

    select * from {{ ref('stg_landing__extracts') }}

),

ranked as (

    select
        coverage.extract_id,
        coverage.dataset,
        coverage.view,
        coverage.part,
        coverage.period_start,
        extracts.edition,
        extracts.is_provisional,
        extracts.caveat,
        -- Final before revised before unstated before provisional; then publication, else receipt, decides. What arrives
        -- together and says neither is refused at landing.
        row_number() over (
            partition by coverage.dataset, coverage.view, coverage.part, coverage.period_start
            order by
                case extracts.edition when 'final' then 3 when 'revised' then 2 when 'provisional' then 0 else 1 end desc,
                coalesce(extracts.published_on, cast(extracts.received_at as date)) desc,
                extracts.received_at desc,
                coverage.extract_id
        ) as edition_rank
    from coverage
    inner join extracts using (extract_id)
    where extracts.outcome = 'loaded'

)

select * exclude (edition_rank)
from ranked
where edition_rank = 1
