with activity as (

    select * from {{ ref('stg_mar__activity') }}

)

select
    'gp_referrals_made' as measure,
    case when is_england then 'ENG' else org_code end as org_code,
    case when is_england then 'England' else org_name end as org_name,
    case
        when is_england then 'national'
        when view = 'provider' then 'provider'
        else {{ commissioner_level('org_name', 'period_start') }}
    end as org_level,
    period_start,
    known_from,
    known_to,
    gp_referrals_made as numerator,
    null::bigint as denominator,
    nullif(concat_ws(
        '; ',
        'general and acute specialties; ' || gp_referrals_made_all_specialties || ' in all specialties',
        case
            when is_england and view = 'provider'
                then 'by provider: with referrals that English commissioners do not answer for'
        end,
        caveat
    ), '') as caveat,
    edition,
    extract_id
from activity
-- England stands in both tables. By commissioner it goes first, without activity commissioned from outside England.
qualify not is_england or row_number() over (partition by is_england, period_start, known_from order by view) = 1
