with delayed_days as (

    -- Rows loaded before there were workbooks and the series are of provider extracts.
    select
        * replace (
            coalesce(view, 'provider') as view,
            coalesce(breakdown, 'setting_and_reason') as breakdown,
            coalesce(is_england, false) as is_england
        )
    from {{ source('raw', 'dtoc') }}

),

coverage as (

    select * from {{ ref('stg_landing__coverage') }}
    where dataset = 'dtoc'

)

select
    delayed_days.extract_id,
    delayed_days.source_sheet,
    delayed_days.source_row,
    delayed_days.period_start,
    delayed_days.view,
    delayed_days.breakdown,
    delayed_days.is_england,
    delayed_days.provider_code,
    delayed_days.provider_name,
    delayed_days.local_authority_code,
    delayed_days.local_authority_name,
    lower(delayed_days.setting) = 'acute' as is_acute,
    delayed_days.reason_for_delay,
    delayed_days.nhs_days,
    delayed_days.social_care_days,
    delayed_days.both_days,
    delayed_days.total_days,
    coverage.known_from,
    coverage.known_to,
    coverage.edition,
    coverage.published_on,
    coverage.caveat
from delayed_days
inner join coverage using (extract_id, period_start, view)
