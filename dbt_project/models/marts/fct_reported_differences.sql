with reported as (

    select * from {{ ref('int_reported_values') }}
    where {{ is_current() }}

),

derived as (

    select * from {{ ref('fct_indicator_values') }}
    where source = 'derived'

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

-- A reported indicator stands beside the same one derived, or beside the derived one that it is a counterpart of.
pairs as (

    select
        reported.*,
        reported.indicator_id as derived_indicator_id
    from reported

    union all

    select
        reported.*,
        indicators.counterpart_of as derived_indicator_id
    from reported
    inner join indicators using (indicator_id)
    where indicators.counterpart_of is not null

)

select
    pairs.indicator_id,
    pairs.derived_indicator_id,
    pairs.org_code,
    pairs.org_level,
    pairs.period_type,
    pairs.period_start,
    pairs.period_end,
    derived.value as derived_value,
    pairs.value as reported_value,
    pairs.value - derived.value as difference,
    pairs.value_decimals,
    pairs.unit,
    derived.caveat as derived_caveat,
    pairs.caveat as reported_caveat,
    derived.extract_ids as derived_extract_ids,
    [pairs.extract_id] as reported_extract_ids
from pairs
inner join derived
    on
        pairs.derived_indicator_id = derived.indicator_id
        and pairs.org_code = derived.org_code
        and pairs.org_level = derived.org_level
        and pairs.period_type = derived.period_type
        and pairs.period_start = derived.period_start
        and pairs.period_end = derived.period_end
-- What rounding to the reported decimals explains is no difference.
where abs(pairs.value - derived.value) > coalesce(0.5 * pow(10, -pairs.value_decimals), 0) + 1e-9
