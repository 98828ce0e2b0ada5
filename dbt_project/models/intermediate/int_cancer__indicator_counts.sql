with waits as (

    select * from {{ ref('stg_cancer__commissioner_waits') }}

),

exceptions as (

    select * from {{ ref('commissioner_exceptions') }}

),

commissioners as (

    select
        measure,
        commissioner_code as org_code,
        commissioner_name as org_name,
        {{ commissioner_level('commissioner_name', 'period_start') }} as org_level,
        period_start,
        patients_within as numerator,
        patients as denominator,
        caveat,
        edition,
        extract_id
    from waits
    where not is_england and commissioner_code not in (select org_code from exceptions)

),

england as (

    select
        measure,
        'ENG' as org_code,
        'England' as org_name,
        'national' as org_level,
        period_start,
        -- To March 2020 the file states England, without unknown commissioners; after, it is the sum with them.
        case when bool_or(is_england) then sum(patients_within) filter (where is_england) else sum(patients_within) end
            as numerator,
        case when bool_or(is_england) then sum(patients) filter (where is_england) else sum(patients) end
            as denominator,
        nullif(concat_ws(
            '; ',
            case
                when not bool_or(is_england)
                    then 'sum of all commissioners with unknown ones: a break in the series, '
                    || 'to March 2020 England excludes patients of unknown commissioners'
            end,
            any_value(caveat)
        ), '') as caveat,
        any_value(edition) as edition,
        any_value(extract_id) as extract_id
    from waits
    group by measure, period_start

)

select * from commissioners
union all
select * from england
