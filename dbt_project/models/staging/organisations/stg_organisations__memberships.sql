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
    statements.org_code as member_code,
    statements.org_name as member_name,
    statements.org_role as member_role,
    statements.parent_code as system_code,
    statements.ons_code as member_ons_code,
    statements.valid_to
from statements
inner join coverage using (extract_id, period_start)
where statements.kind = 'membership'
