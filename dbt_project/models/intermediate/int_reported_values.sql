with returned as (

    select * from {{ ref('stg_local_returns__values') }}

),

indicators as (

    select * from {{ ref('indicators') }}

),

-- Percentages that are no share of a whole, and may be above 100.
unbounded as (

    select * from {{ ref('unbounded_percentages') }}

),

checked as (

    select
        returned.*,
        indicators.unit,
        indicators.unit in ('count', 'days') as is_count,
        returned.status in ('final', 'provisional') as has_figure,
        -- Of values read from a workbook the last zeros are gone: the most decimals of the indicator in the file decide.
        max(returned.value_decimals) over (
            partition by returned.extract_id, returned.indicator_id
        ) as decimals_of_return,
        -- What a figure says that cannot be the indicator is not used; the return as stated stays in staging.
        case
            when indicators.unit is null
                then 'no value: the catalogue does not say yet in which unit the indicator is'
            when returned.stated_unit <> indicators.unit
                then 'no value: reported as ' || returned.stated_unit || ', the indicator is in ' || indicators.unit
            when indicators.unit = 'percent' and returned.numerator > returned.denominator and unbounded.indicator_id is null
                then 'no value: the reported numerator is above its denominator'
            when indicators.unit = 'percent' and returned.denominator is null and returned.value is null
                then 'no value: reported without a denominator'
            when
                indicators.unit = 'percent' and returned.denominator is null
                and (returned.value < 0 or (returned.value > 100 and unbounded.indicator_id is null))
                then 'no value: ' || returned.value || ' is reported, which is no percentage'
        end as fault
    from returned
    inner join indicators using (indicator_id)
    left join unbounded using (indicator_id)

),

valued as (

    select
        *,
        has_figure and fault is null as is_usable,
        is_usable and not is_count and numerator is not null and denominator is not null as has_parts,
        case
            when not is_usable then null
            when is_count then coalesce(numerator, value)
            when has_parts then {{ value_factor('unit') }} * numerator / denominator
            else coalesce(value, numerator)
        end as usable_value
    from checked

)

select
    indicator_id,
    org_code,
    org_level,
    period_type,
    period_start,
    period_end,
    known_from,
    known_to,
    case
        when is_usable and is_count then usable_value
        when has_parts then numerator
    end as numerator,
    case when has_parts then denominator end as denominator,
    usable_value as value,
    -- A value worked out from its parts is not rounded.
    case when is_usable and not has_parts then decimals_of_return end as value_decimals,
    unit,
    target,
    case when has_figure then status else 'unknown' end as edition,
    status = 'provisional' as is_provisional,
    nullif(concat_ws(
        '; ',
        case when not has_figure then status end,
        case when has_figure then fault end,
        case
            when
                (has_parts or (is_usable and is_count))
                and abs(usable_value - value) > 0.5 * pow(10, -decimals_of_return) + 1e-9
                then 'the return also states ' || value || ', which its numerator'
                || case when has_parts then ' and denominator do' else ' does' end || ' not give'
        end,
        note,
        caveat
    ), '') as caveat,
    extract_id
from valued
