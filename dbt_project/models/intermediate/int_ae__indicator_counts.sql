with attendances as (

    select
        *,
        attendances_type1 + attendances_type2 + attendances_other as attendances
    from {{ ref('stg_ae__attendances') }}

),

field_test_sites as (

    select * from {{ ref('four_hour_field_test_sites') }}

),

providers as (

    select
        attendances.*,
        -- A field-test site that saw major-department patients and shows none over four hours did not report it.
        field_test_sites.org_code is not null
        and attendances.attendances_type1 > 0
        and attendances.attendances_over_4hrs = 0 as is_four_hours_not_reported
    from attendances
    left join field_test_sites
        on
            attendances.provider_code = field_test_sites.org_code
            and attendances.period_start >= field_test_sites.valid_from

),

measures as (

    select
        'within_4_hours' as measure,
        *,
        case when not is_four_hours_not_reported then attendances - attendances_over_4hrs end as numerator,
        case when not is_four_hours_not_reported then attendances end as denominator
    from providers

    union all

    select 'waits_over_12_hours' as measure, *, waits_over_12hrs_from_dta as numerator, null as denominator
    from providers

    union all

    select 'attendances' as measure, *, attendances as numerator, null as denominator
    from providers

    union all

    select 'attendances_type1' as measure, *, attendances_type1 as numerator, null as denominator
    from providers

    union all

    select 'attendances_type2' as measure, *, attendances_type2 as numerator, null as denominator
    from providers

    union all

    select 'attendances_other' as measure, *, attendances_other as numerator, null as denominator
    from providers

),

provider_counts as (

    select
        *,
        case
            when measure <> 'within_4_hours' then null
            when is_four_hours_not_reported
                then 'not reported: a field-test site of the clinical review of standards, '
                || '0 over four hours means none were counted'
            when attendances_type1 > 0 and attendances_over_4hrs = 0
                then 'no attendance over four hours is reported: check that the provider counted them'
        end as measure_caveat
    from measures

),

england_counts as (

    select
        measure,
        period_start,
        known_from,
        known_to,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        case
            when measure = 'within_4_hours' and bool_or(is_four_hours_not_reported)
                then 'leaves out the field-test sites that report no four-hour figure: '
                || array_to_string(
                    list_sort(list(provider_code) filter (where is_four_hours_not_reported)), ', '
                )
        end as measure_caveat,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from provider_counts
    group by measure, period_start, known_from, known_to

)

select
    measure,
    provider_code as org_code,
    provider_name as org_name,
    'provider' as org_level,
    period_start,
    known_from,
    known_to,
    numerator,
    denominator,
    nullif(concat_ws('; ', measure_caveat, caveat), '') as caveat,
    edition,
    extract_id
from provider_counts

union all

select
    measure,
    'ENG' as org_code,
    'England' as org_name,
    'national' as org_level,
    period_start,
    known_from,
    known_to,
    numerator,
    denominator,
    nullif(concat_ws('; ', measure_caveat, caveat), '') as caveat,
    edition,
    extract_id
from england_counts
