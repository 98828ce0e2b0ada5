with counts as (

    select * from {{ ref('int_indicator_counts') }}

),

returned as (

    select * from {{ ref('int_reported_values') }}

),

indicators as (

    select * from {{ ref('indicators') }}

),

standards as (

    select * from {{ ref('dim_standards') }}

),

stated as (

    select
        counts.dataset,
        'derived' as source,
        counts.indicator_id,
        counts.org_code,
        counts.org_level,
        counts.period_type,
        counts.period_start,
        {{ period_end('counts.period_type', 'counts.period_start') }} as period_end,
        counts.known_from,
        counts.known_to,
        counts.numerator,
        counts.denominator,
        {{ indicator_value('counts.numerator', 'counts.denominator', 'indicators.unit') }} as value,
        counts.edition,
        counts.extract_ids
    from counts
    inner join indicators using (indicator_id)

    union all

    select
        'local_returns' as dataset,
        'reported' as source,
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        known_from,
        known_to,
        numerator,
        denominator,
        value,
        edition,
        [extract_id] as extract_ids
    from returned

),

-- Only periods of which more became known later can have been restated.
restated_periods as (

    select distinct
        dataset,
        period_start
    from stated
    where not {{ is_current() }}

),

figures as (

    select stated.*
    from stated
    inner join restated_periods using (dataset, period_start)

),

-- What was said of an indicator at a level at one time: a figure that comes later is new to it, or new altogether.
said_before as (

    select distinct
        indicator_id,
        source,
        org_level,
        period_type,
        period_start,
        period_end,
        known_to
    from figures

),

said_after as (

    select distinct
        indicator_id,
        source,
        org_level,
        period_type,
        period_start,
        period_end,
        known_from
    from figures

),

pairs as (

    select
        later.indicator_id,
        later.org_code,
        later.org_level,
        later.period_type,
        later.period_start,
        later.period_end,
        later.source,
        later.known_from as restated_at,
        earlier.numerator as previous_numerator,
        earlier.denominator as previous_denominator,
        earlier.value as previous_value,
        earlier.edition as previous_edition,
        earlier.extract_ids as previous_extract_ids,
        later.numerator,
        later.denominator,
        later.value,
        later.edition,
        later.extract_ids
    from figures as later
    inner join said_before
        on
            later.indicator_id = said_before.indicator_id
            and later.org_level = said_before.org_level
            and later.period_type = said_before.period_type
            and later.period_start = said_before.period_start
            and later.period_end = said_before.period_end
            and later.source = said_before.source
            and later.known_from = said_before.known_to
    left join figures as earlier
        on
            later.indicator_id = earlier.indicator_id
            and later.org_code = earlier.org_code
            and later.org_level = earlier.org_level
            and later.period_type = earlier.period_type
            and later.period_start = earlier.period_start
            and later.period_end = earlier.period_end
            and later.source = earlier.source
            and later.known_from = earlier.known_to

    union all

    select
        earlier.indicator_id,
        earlier.org_code,
        earlier.org_level,
        earlier.period_type,
        earlier.period_start,
        earlier.period_end,
        earlier.source,
        earlier.known_to as restated_at,
        earlier.numerator as previous_numerator,
        earlier.denominator as previous_denominator,
        earlier.value as previous_value,
        earlier.edition as previous_edition,
        earlier.extract_ids as previous_extract_ids,
        null as numerator,
        null as denominator,
        null as value,
        null as edition,
        null as extract_ids
    from figures as earlier
    inner join said_after
        on
            earlier.indicator_id = said_after.indicator_id
            and earlier.org_level = said_after.org_level
            and earlier.period_type = said_after.period_type
            and earlier.period_start = said_after.period_start
            and earlier.period_end = said_after.period_end
            and earlier.source = said_after.source
            and earlier.known_to = said_after.known_from
    left join figures as later
        on
            earlier.indicator_id = later.indicator_id
            and earlier.org_code = later.org_code
            and earlier.org_level = later.org_level
            and earlier.period_type = later.period_type
            and earlier.period_start = later.period_start
            and earlier.period_end = later.period_end
            and earlier.source = later.source
            and earlier.known_to = later.known_from
    where later.indicator_id is null

),

valued as (

    select
        pairs.*,
        indicators.unit,
        indicators.judged_at
    from pairs
    inner join indicators using (indicator_id)
    where
        pairs.previous_numerator is distinct from pairs.numerator
        or pairs.previous_denominator is distinct from pairs.denominator
        or pairs.previous_value is distinct from pairs.value

),

in_force as (

    {{ with_standard_in_force('valued', 'standards') }}

),

judged as (

    select
        *,
        case when {{ is_judged_at('judged_at', 'org_level', 'org_code') }} then standard end as judged_standard,
        {{ is_met(
            'previous_numerator', 'previous_denominator', 'previous_value', 'unit', 'judged_standard', 'comparator'
        ) }} as was_met,
        {{ is_met('numerator', 'denominator', 'value', 'unit', 'judged_standard', 'comparator') }} as is_met
    from in_force

)

select
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    source,
    restated_at,
    case
        when previous_value is null and value is null then 'counts changed'
        when previous_value is null then 'added'
        when value is null then 'withdrawn'
        when previous_value is distinct from value then 'changed'
        else 'counts changed'
    end as restatement,
    previous_numerator,
    previous_denominator,
    previous_value,
    numerator,
    denominator,
    value,
    value - previous_value as value_change,
    unit,
    previous_edition,
    edition,
    standard_id,
    standard,
    comparator,
    was_met,
    is_met,
    case
        when is_met = false and was_met is distinct from false then 'appeared'
        when was_met = false and is_met is distinct from false then 'vanished'
    end as breach_change,
    previous_extract_ids,
    extract_ids
from judged
where
    previous_value is not null
    -- Where there was no value yet, an extract that only completes what there was restates nothing.
    or not coalesce(list_has_all(extract_ids, previous_extract_ids), false)
