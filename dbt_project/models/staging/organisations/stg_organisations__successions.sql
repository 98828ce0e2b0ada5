with statements as (

    select * from {{ source('raw', 'organisations') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'organisations' and {{ is_current() }}

)

select
    statements.extract_id,
    statements.source_sheet,
    statements.source_row,
    coverage.part as list_kind,
    statements.as_of,
    statements.org_code,
    statements.org_role,
    statements.parent_code as successor_code
from statements
inner join coverage using (extract_id, period_start)
where statements.kind = 'succession'
