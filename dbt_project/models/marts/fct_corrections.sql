with corrections as (

    select * from {{ ref('corrections') }}

),

counts as (

    select * from {{ ref('int_dataset_counts') }}
    where {{ is_current() }}

),

found as (

    select
        corrections.*,
        counts.indicator_id is not null as is_in_extracts,
        case corrections.corrected_count when 'numerator' then counts.numerator else counts.denominator end as found_value
    from corrections
    left join counts
        on
            {{ is_correction_of('corrections', 'counts') }}

)

select
    dataset,
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    corrected_count,
    expected_value,
    corrected_value,
    found_value,
    coalesce(found_value = expected_value, false) as is_applied,
    case
        when not is_in_extracts then 'not applied: no extract has this figure'
        when found_value is null then 'not applied: the extract gives no figure'
        when found_value = corrected_value then 'not applied: the publisher has repaired the figure; remove the correction'
        when found_value <> expected_value
            then 'not applied: the extract now says neither what was wrong nor what was agreed; look at it again'
        else 'applied'
    end as outcome,
    what_is_wrong,
    why,
    agreed_by,
    agreed_on
from found
