with delayed_days as (

    select
        *,
        date_trunc('quarter', period_start)::date as quarter_start,
        date_diff('day', period_start, {{ period_end("'month'", 'period_start') }}) + 1 as days_in_month
    from {{ ref('int_dtoc__indicator_counts') }}
    where measure = 'delayed_days' and org_level in ('provider', 'national')

),

beds as (

    select
        *,
        case when is_england then 'ENG' else provider_code end as org_code
    from {{ ref('stg_beds__beds_open_overnight') }}

),

-- What was known of a quarter's beds and when; before the first table came, nothing.
knowledge_of_beds as (

    select distinct
        period_start as quarter_start,
        known_from,
        known_to,
        true as are_beds_known
    from beds

    union all

    select
        period_start as quarter_start,
        timestamp '0001-01-01' as known_from,
        min(known_from) as known_to,
        false as are_beds_known
    from beds
    group by period_start

),

-- Days and beds each have their editions: a rate is known from when both of its were, until either changed.
delayed_days_with_quarter as (

    select
        delayed_days.* exclude (known_from, known_to),
        greatest(delayed_days.known_from, coalesce(knowledge_of_beds.known_from, delayed_days.known_from)) as known_from,
        least(delayed_days.known_to, coalesce(knowledge_of_beds.known_to, delayed_days.known_to)) as known_to,
        coalesce(knowledge_of_beds.are_beds_known, false) as are_beds_known,
        knowledge_of_beds.known_from as beds_known_from
    from delayed_days
    left join knowledge_of_beds
        on
            delayed_days.quarter_start = knowledge_of_beds.quarter_start
            and delayed_days.known_from < knowledge_of_beds.known_to
            and delayed_days.known_to > knowledge_of_beds.known_from

),

rates as (

    select
        delays.*,
        beds.extract_id as beds_extract_id,
        beds.edition as beds_edition,
        beds.caveat as beds_caveat,
        beds.occupied_general_acute_beds * delays.days_in_month as occupied_bed_days,
        case
            when delays.numerator is null then 'no rate: no delayed days'
            when not delays.are_beds_known
                then 'no rate: no KH03 beds for the quarter from ' || strftime(delays.quarter_start, '%B %Y')
            when beds.org_code is null
                then 'no rate: KH03 of the quarter from ' || strftime(delays.quarter_start, '%B %Y')
                || ' does not have the organisation'
            when coalesce(beds.occupied_general_acute_beds, 0) = 0
                then 'no rate: KH03 has no occupied general and acute beds for the organisation'
            -- Most of its beds are of another sector, which KH03 counts apart and DTOC does not.
            when delays.numerator > occupied_bed_days
                then 'no rate: ' || {{ plain_number('delays.numerator') }} || ' delayed days are more than the '
                || {{ plain_number('occupied_bed_days') }} || ' occupied general and acute bed days: '
                || 'they were in beds of another sector'
        end as why_no_rate
    from delayed_days_with_quarter as delays
    left join beds
        on
            delays.are_beds_known
            and delays.quarter_start = beds.period_start
            and delays.beds_known_from = beds.known_from
            and delays.org_code = beds.org_code

)

select
    'delayed_days_of_occupied_bed_days' as measure,
    org_code,
    org_name,
    org_level,
    period_start,
    known_from,
    known_to,
    case when why_no_rate is null then numerator::double end as numerator,
    case when why_no_rate is null then occupied_bed_days end as denominator,
    nullif(concat_ws(
        '; ',
        why_no_rate,
        -- No acute trust comes near it: beds for mental illness and learning disability are not in the base.
        case
            when why_no_rate is null and numerator > 0.2 * occupied_bed_days
                then 'over a fifth of general and acute bed days: many of the delayed may be in beds of another sector'
        end,
        caveat,
        beds_caveat
    ), '') as caveat,
    case when coalesce(beds_edition, edition) = edition then edition else 'mixed' end as edition,
    list_filter([extract_id, beds_extract_id], one -> one is not null) as extract_ids
from rates
