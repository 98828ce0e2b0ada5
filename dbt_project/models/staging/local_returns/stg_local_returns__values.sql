with returned as (

    select * from {{ source('raw', 'local_returns') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'local_returns'

)

select
    returned.extract_id,
    returned.source_sheet,
    returned.source_row,
    returned.indicator_id,
    returned.indicator_code as stated_code,
    returned.provider_code,
    returned.org_code,
    returned.org_level,
    returned.period_type,
    returned.period_start,
    returned.period_end,
    returned.numerator,
    returned.denominator,
    returned.value,
    returned.value_decimals,
    returned.unit as stated_unit,
    returned.target,
    returned.status,
    returned.note,
    coverage.known_from,
    coverage.known_to,
    coverage.caveat
from returned
inner join coverage
    on
        returned.extract_id = coverage.extract_id
        and returned.period_start = coverage.period_start
        and returned.slice = coverage.part
