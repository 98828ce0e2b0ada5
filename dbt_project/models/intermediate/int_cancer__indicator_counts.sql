with waits as (

    select * from {{ ref('stg_cancer__waits') }}
    where is_counted

),

exceptions as (

    select * from {{ ref('commissioner_exceptions') }}

),

commissioning_hubs as (

    select * from {{ ref('commissioning_hubs') }}

),

organisation_sums as (

    select
        view,
        measure,
        is_england,
        org_code,
        max(org_name) as org_name,
        period_start,
        known_from,
        known_to,
        sum(patients_within) as numerator,
        sum(patients) as denominator,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from waits
    group by view, measure, is_england, org_code, period_start, known_from, known_to

),

organisations as (

    select
        sums.measure,
        sums.org_code,
        coalesce(sums.org_name, commissioning_hubs.org_name) as org_name,
        case
            when sums.view = 'provider' then 'provider'
            when commissioning_hubs.org_code is not null then 'commissioning_hub'
            when sums.view = 'icb' and {{ commissioner_level('sums.org_name', 'sums.period_start') }} = 'sub_icb'
                then 'icb'
            else {{ commissioner_level('sums.org_name', 'sums.period_start') }}
        end as org_level,
        sums.period_start,
        sums.known_from,
        sums.known_to,
        sums.numerator,
        sums.denominator,
        sums.caveat,
        sums.edition,
        sums.extract_id
    from organisation_sums as sums
    left join commissioning_hubs using (org_code)
    where not sums.is_england and sums.org_code not in (select org_code from exceptions)
    -- A hub stands in the workbooks by ICB and in the extracts by sub-ICB location: one of them is enough.
    qualify row_number() over (
        partition by sums.measure, sums.org_code, sums.period_start, sums.known_from, sums.view = 'provider'
        order by sums.view
    ) = 1

),

england_by_view as (

    select
        view,
        measure,
        period_start,
        known_from,
        known_to,
        -- To March 2020 the file states England, without unknown commissioners; after, it is the sum with them.
        bool_or(is_england) as is_stated,
        case when is_stated then sum(numerator) filter (where is_england) else sum(numerator) end as numerator,
        case when is_stated then sum(denominator) filter (where is_england) else sum(denominator) end as denominator,
        max(caveat) as caveat,
        max(edition) as edition,
        max(extract_id) as extract_id
    from organisation_sums
    group by view, measure, period_start, known_from, known_to

),

england as (

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
        nullif(concat_ws(
            '; ',
            case
                when view = 'icb' and is_stated
                    then 'all English commissioners with unknown ones: a break in the series, '
                    || 'to March 2020 England excludes patients of unknown commissioners'
                when not is_stated
                    then 'sum of all commissioners with unknown ones: a break in the series, '
                    || 'to March 2020 England excludes patients of unknown commissioners'
            end,
            case
                when provider_numerator <> numerator or provider_denominator <> denominator
                    then 'by provider England is ' || {{ plain_number('provider_numerator') }} || ' of '
                    || {{ plain_number('provider_denominator') }}
            end,
            caveat
        ), '') as caveat,
        edition,
        extract_id
    from (
        select
            *,
            max(numerator) filter (where view = 'provider') over same_patients as provider_numerator,
            max(denominator) filter (where view = 'provider') over same_patients as provider_denominator
        from england_by_view
        window same_patients as (partition by measure, period_start, known_from)
    )
    -- The same patients by commissioner, by ICB and by provider: England is one of the first two, in this order. By
    -- provider it has other patients (Welsh commissioners'), and months of both would be mixed in a year to date.
    qualify view <> 'provider' and row_number() over (partition by measure, period_start, known_from order by view) = 1

)

select * from organisations
union all
select * from england
