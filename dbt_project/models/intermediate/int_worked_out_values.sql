-- Counts of a county (Health and Wellbeing Board) from those of its CCGs. Each branch that follows works out other
-- values, in the same columns; they are joined at the end.
with rules as (

    select * from {{ ref('county_figures') }}

),

shares as (

    select * from {{ ref('ccg_hwb_shares') }}

),

counts as (

    select * from {{ ref('int_indicator_counts') }}
    where {{ is_current() }}

),

reported as (

    select * from {{ ref('int_reported_values') }}
    where {{ is_current() }}

),

-- What each CCG states, for a quarter or its months; a figure from extracts goes before a returned one.
ccg_statements as (

    select
        indicator_id,
        org_code,
        period_type,
        period_start,
        numerator::decimal(18, 3) as figure,
        known_from,
        edition,
        edition = 'provisional' as is_provisional,
        caveat,
        extract_ids,
        1 as precedence
    from counts
    where
        org_level in ('ccg', 'sub_icb') and period_type in ('month', 'quarter')
        and indicator_id in (select ccg_indicator_id from rules)

    union all

    select
        indicator_id,
        org_code,
        period_type,
        period_start,
        value::decimal(18, 3) as figure,
        known_from,
        edition,
        is_provisional,
        caveat,
        [extract_id] as extract_ids,
        2 as precedence
    from reported
    where
        org_level in ('ccg', 'sub_icb') and period_type in ('month', 'quarter')
        and indicator_id in (select ccg_indicator_id from rules)

),

ccg_figures as (

    select
        *,
        date_trunc('quarter', period_start)::date as quarter_start
    from ccg_statements
    qualify row_number() over (
        partition by indicator_id, org_code, period_type, period_start order by figure is null, precedence
    ) = 1

),

-- The quarter as stated, else the sum of its three months.
ccg_quarters as (

    select
        indicator_id,
        org_code,
        quarter_start,
        max(figure) filter (where period_type = 'quarter') as stated_figure,
        stated_figure is not null as is_stated,
        case when count(figure) filter (where period_type = 'month') = 3
            then sum(figure) filter (where period_type = 'month')
        end as sum_of_months,
        coalesce(stated_figure, sum_of_months)::decimal(18, 3) as figure,
        max(known_from) as known_from,
        list_distinct(list(edition) filter (where figure is not null)) as editions,
        bool_or(is_provisional) as is_provisional,
        nullif(concat_ws(
            '; ',
            case
                when stated_figure <> sum_of_months
                    then 'the months of ' || org_code || ' add up to ' || {{ plain_number('sum_of_months') }}
                    || ', not to the ' || {{ plain_number('stated_figure') }} || ' of its quarter'
            end,
            {{ join_caveats("org_code || ': ' || caveat") }}
        ), '') as caveat,
        list_sort(list_distinct(flatten(list(extract_ids)))) as extract_ids
    from ccg_figures
    group by indicator_id, org_code, quarter_start

),

county_parts as (

    select
        rules.indicator_id,
        rules.ccg_indicator_id,
        shares.hwb_code,
        shares.hwb_name,
        quarters.quarter_start,
        shares.ccg_code,
        shares.pct_ccg_in_hwb,
        shares.pct_hwb_in_ccg,
        shares.pct_hwb_in_ccg < rules.negligible_below_pct as is_negligible,
        rules.negligible_below_pct,
        ccg_quarters.figure,
        ccg_quarters.known_from,
        ccg_quarters.editions,
        ccg_quarters.is_provisional,
        ccg_quarters.caveat,
        ccg_quarters.extract_ids
    from rules
    inner join (select distinct indicator_id, quarter_start from ccg_quarters) as quarters
        on rules.ccg_indicator_id = quarters.indicator_id
    inner join shares
        on
            {{ period_end("'quarter'", 'quarters.quarter_start') }}
            between coalesce(shares.valid_from, date '1900-01-01') and coalesce(shares.valid_to, date '9999-12-31')
    left join ccg_quarters
        on
            rules.ccg_indicator_id = ccg_quarters.indicator_id
            and shares.ccg_code = ccg_quarters.org_code
            and quarters.quarter_start = ccg_quarters.quarter_start

),

county_sums as (

    select
        indicator_id,
        any_value(ccg_indicator_id) as ccg_indicator_id,
        hwb_code,
        any_value(hwb_name) as hwb_name,
        quarter_start,
        any_value(negligible_below_pct) as negligible_below_pct,
        list(ccg_code order by ccg_code) filter (where figure is not null) as counted_codes,
        list(ccg_code order by ccg_code) filter (where figure is null and not is_negligible) as missing_codes,
        list(ccg_code order by ccg_code) filter (where figure is null and is_negligible) as left_out_codes,
        sum(pct_hwb_in_ccg) filter (where figure is not null) as covered_pct,
        -- Shares add to 100 to within their rounding.
        least(100, 100 * covered_pct / sum(pct_hwb_in_ccg))::decimal(9, 1) as covered_of_county_pct,
        sum(figure * pct_ccg_in_hwb) as hundredfold,
        -- Each share is stated to 0.1 %, so it is within 0.05 % of the exact one.
        ceil(sum(figure) * 0.05 / 100)::integer as rounding_error,
        max(known_from) as known_from,
        list_distinct(flatten(list(editions))) as editions,
        coalesce(bool_or(is_provisional), false) as is_provisional,
        string_agg(
            {{ figure_in_words('figure') }} || ' of ' || ccg_code || ' x ' || pct_ccg_in_hwb || ' %', ' + '
            order by figure * pct_ccg_in_hwb desc, ccg_code
        ) filter (where figure is not null) as arithmetic,
        {{ join_caveats('caveat') }} as caveat,
        list_sort(list_distinct(flatten(list(extract_ids)))) as extract_ids
    from county_parts
    group by indicator_id, hwb_code, quarter_start
    -- A county none of whose own CCGs states anything is no county of ours.
    having count(extract_ids) filter (where not is_negligible) > 0

),

county_values as (

    select
        county_sums.indicator_id,
        county_sums.hwb_code as org_code,
        county_sums.hwb_name as org_name,
        'hwb' as org_level,
        'quarter' as period_type,
        county_sums.quarter_start as period_start,
        {{ period_end("'quarter'", 'county_sums.quarter_start') }} as period_end,
        county_sums.known_from,
        case when county_sums.missing_codes is null then county_sums.hundredfold::double / 100 end as numerator,
        null::double as denominator,
        numerator as value,
        case
            when len(county_sums.editions) = 1 then county_sums.editions[1]
            when len(county_sums.editions) = 0 then 'unknown'
            else 'mixed'
        end as edition,
        county_sums.is_provisional,
        nullif(concat_ws(
            '; ',
            case
                when county_sums.missing_codes is not null
                    then 'no value for the county: no ' || county_sums.ccg_indicator_id || ' of the whole quarter for '
                    || array_to_string(county_sums.missing_codes, ', ')
                else 'worked out from ' || county_sums.ccg_indicator_id || ' of '
                || array_to_string(county_sums.counted_codes, ', ')
                || ', each by its share in the county: ' || county_sums.covered_of_county_pct
                || ' % of the people of the county are theirs'
            end,
            case
                when county_sums.missing_codes is null
                    then 'the shares are rounded to 0.1 %, which makes it uncertain by at most '
                    || county_sums.rounding_error
            end,
            case
                when county_sums.missing_codes is null
                    then 'without ' || array_to_string(county_sums.left_out_codes, ', ') || ', each with under '
                    || {{ figure_in_words('county_sums.negligible_below_pct') }} || ' % of the people of the county'
            end,
            county_sums.caveat
        ), '') as caveat,
        case when county_sums.missing_codes is null then county_sums.arithmetic end as arithmetic,
        coalesce(county_sums.extract_ids, []) as extract_ids
    from county_sums

),

worked_out as (

    select * from county_values

),

indicators as (

    select * from {{ ref('indicators') }}

)

select
    worked_out.indicator_id,
    worked_out.org_code,
    worked_out.org_name,
    worked_out.org_level,
    worked_out.period_type,
    worked_out.period_start,
    worked_out.period_end,
    worked_out.known_from,
    worked_out.numerator,
    worked_out.denominator,
    worked_out.value,
    indicators.unit,
    worked_out.edition,
    worked_out.is_provisional,
    worked_out.caveat,
    worked_out.arithmetic,
    worked_out.extract_ids
from worked_out
inner join indicators using (indicator_id)
