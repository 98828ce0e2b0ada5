with quarters as (

    select * from {{ ref('stg_cancelled_operations__quarters') }}

)

select
    'not_treated_within_28_days' as measure,
    case when is_england then 'ENG' else provider_code end as org_code,
    case when is_england then 'England' else provider_name end as org_name,
    case when is_england then 'national' else 'provider' end as org_level,
    'quarter' as period_type,
    period_start,
    known_from,
    known_to,
    not_treated_within_28_days as numerator,
    null::bigint as denominator,
    nullif(concat_ws(
        '; ', case when is_england then 'England without the independent sector, as published' end, caveat
    ), '') as caveat,
    edition,
    extract_id
from quarters
