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

-- What the plan of a CCG works out from other figures of its own: a count from a total and a share of it.
ambition_rules as (

    select * from {{ ref('worked_out_ambitions') }}

),

totals as (

    select
        ambition_rules.indicator_id,
        ambition_rules.from_indicator_id,
        ambition_rules.by_indicator_id,
        reported.org_code,
        reported.org_level,
        reported.period_type,
        reported.period_start,
        reported.period_end,
        reported.known_from,
        reported.value::decimal(18, 3) as total,
        reported.edition,
        reported.is_provisional,
        reported.caveat,
        reported.extract_id
    from ambition_rules
    inner join reported on ambition_rules.from_indicator_id = reported.indicator_id
    where ambition_rules.rule = 'share_of_total'

),

shares_of_totals as (

    select
        ambition_rules.indicator_id,
        ambition_rules.from_indicator_id,
        ambition_rules.by_indicator_id,
        reported.org_code,
        reported.org_level,
        reported.period_type,
        reported.period_start,
        reported.period_end,
        reported.known_from,
        reported.value::decimal(18, 6) as share_pct,
        reported.edition,
        reported.is_provisional,
        reported.caveat,
        reported.extract_id
    from ambition_rules
    inner join reported on ambition_rules.by_indicator_id = reported.indicator_id
    where ambition_rules.rule = 'share_of_total'

),

share_values as (

    select
        indicator_id,
        org_code,
        null::varchar as org_name,
        org_level,
        period_type,
        period_start,
        period_end,
        greatest(totals.known_from, shares_of_totals.known_from) as known_from,
        totals.total::double * shares_of_totals.share_pct::double / 100 as numerator,
        null::double as denominator,
        numerator as value,
        case
            when numerator is null then 'unknown'
            when totals.edition = shares_of_totals.edition then totals.edition
            else 'mixed'
        end as edition,
        coalesce(totals.is_provisional, false) or coalesce(shares_of_totals.is_provisional, false) as is_provisional,
        nullif(concat_ws(
            '; ',
            case
                when numerator is null
                    then 'no value: no '
                    || concat_ws(
                        ' and no ',
                        case when totals.total is null then from_indicator_id end,
                        case when shares_of_totals.share_pct is null then by_indicator_id end
                    ) || ' of the period'
                else 'worked out from ' || from_indicator_id || ' and the share ' || by_indicator_id
            end,
            totals.caveat,
            shares_of_totals.caveat
        ), '') as caveat,
        {{ figure_in_words('totals.total') }} || ' x ' || {{ figure_in_words('shares_of_totals.share_pct') }} || ' %'
            as arithmetic,
        list_sort(list_distinct(list_filter(
            [totals.extract_id, shares_of_totals.extract_id], extract_id -> extract_id is not null
        ))) as extract_ids
    from totals
    full join shares_of_totals
        using (
            indicator_id, from_indicator_id, by_indicator_id, org_code, org_level, period_type, period_start, period_end
        )

),

practice_localities as (

    select * from {{ ref('practice_localities') }}

),

-- How far localities and practices of a CCG are apart. Every one of them is needed: the one that is missing may be the
-- worst.
ccg_members as (

    select distinct
        ccg_code,
        'locality' as member_level,
        locality_code as member_code,
        coalesce(valid_from, date '1900-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from practice_localities

    union

    select
        ccg_code,
        'practice' as member_level,
        practice_code as member_code,
        coalesce(valid_from, date '1900-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from practice_localities

),

periods_of_spreads as (

    select distinct
        ambition_rules.indicator_id,
        ambition_rules.rule,
        ambition_rules.from_indicator_id,
        ambition_rules.member_level,
        ccg_members.ccg_code,
        reported.period_type,
        reported.period_start,
        reported.period_end
    from ambition_rules
    inner join reported
        on
            ambition_rules.from_indicator_id = reported.indicator_id
            and ambition_rules.member_level = reported.org_level
    inner join ccg_members
        on
            reported.org_level = ccg_members.member_level
            and reported.org_code = ccg_members.member_code
            and reported.period_end between ccg_members.valid_from and ccg_members.valid_to

),

member_rates as (

    select distinct
        periods_of_spreads.*,
        ccg_members.member_code,
        reported.value::decimal(18, 6) as rate,
        reported.numerator::decimal(18, 3) as cases,
        reported.denominator::decimal(18, 3) as people,
        reported.known_from,
        reported.edition,
        reported.is_provisional,
        reported.caveat,
        reported.extract_id
    from periods_of_spreads
    inner join ccg_members
        on
            periods_of_spreads.ccg_code = ccg_members.ccg_code
            and periods_of_spreads.member_level = ccg_members.member_level
            and periods_of_spreads.period_end between ccg_members.valid_from and ccg_members.valid_to
    left join reported
        on
            periods_of_spreads.from_indicator_id = reported.indicator_id
            and periods_of_spreads.member_level = reported.org_level
            and ccg_members.member_code = reported.org_code
            and periods_of_spreads.period_type = reported.period_type
            and periods_of_spreads.period_start = reported.period_start
            and periods_of_spreads.period_end = reported.period_end

),

ccg_rates as (

    select
        indicator_id,
        org_code,
        period_type,
        period_start,
        period_end,
        value::decimal(18, 6) as rate,
        known_from,
        extract_id
    from reported
    where org_level in ('ccg', 'sub_icb') and value is not null

),

spreads as (

    select
        member_rates.indicator_id,
        member_rates.rule,
        member_rates.from_indicator_id,
        member_rates.member_level,
        member_rates.ccg_code,
        member_rates.period_type,
        member_rates.period_start,
        member_rates.period_end,
        count(*) as member_count,
        list(member_rates.member_code order by member_rates.member_code) filter (where member_rates.rate is null)
            as missing_codes,
        max(member_rates.rate) as highest,
        min(member_rates.rate) as lowest,
        arg_max(member_rates.member_code, member_rates.rate) as highest_code,
        arg_min(member_rates.member_code, member_rates.rate) as lowest_code,
        any_value(ccg_rates.rate) as ccg_rate,
        case when count(member_rates.people) = count(*)
            then (100000 * sum(member_rates.cases)::double / nullif(sum(member_rates.people), 0)::double)::decimal(18, 6)
        end as weighted_rate,
        sum(member_rates.cases) as all_cases,
        sum(member_rates.people) as all_people,
        greatest(max(member_rates.known_from), max(ccg_rates.known_from)) as known_from,
        list_distinct(list(member_rates.edition) filter (where member_rates.rate is not null)) as editions,
        coalesce(bool_or(member_rates.is_provisional), false) as is_provisional,
        {{ join_caveats("member_rates.member_code || ': ' || member_rates.caveat") }} as caveat,
        list_sort(list_distinct(list_concat(
            list(member_rates.extract_id) filter (where member_rates.extract_id is not null),
            coalesce(list(ccg_rates.extract_id) filter (
                where ccg_rates.extract_id is not null and member_rates.rule = 'worst_above_mean'
            ), [])
        ))) as extract_ids
    from member_rates
    left join ccg_rates
        on
            member_rates.from_indicator_id = ccg_rates.indicator_id
            and member_rates.ccg_code = ccg_rates.org_code
            and member_rates.period_type = ccg_rates.period_type
            and member_rates.period_start = ccg_rates.period_start
            and member_rates.period_end = ccg_rates.period_end
    group by
        member_rates.indicator_id, member_rates.rule, member_rates.from_indicator_id, member_rates.member_level,
        member_rates.ccg_code, member_rates.period_type, member_rates.period_start, member_rates.period_end

),

based as (

    select
        *,
        missing_codes is not null as is_incomplete,
        case rule
            when 'worst_above_best' then lowest
            when 'worst_above_mean' then coalesce(ccg_rate, weighted_rate)
        end as base_rate,
        case
            when missing_codes is not null then null
            when rule = 'highest' then highest::double
            when rule = 'lowest' then lowest::double
            when base_rate > 0 then (100 * (highest - base_rate)::double / base_rate::double)::decimal(18, 6)::double
        end as spread
    from spreads

),

spread_values as (

    select
        indicator_id,
        ccg_code as org_code,
        null::varchar as org_name,
        case when period_end >= date '{{ var("icbs_from") }}' then 'sub_icb' else 'ccg' end as org_level,
        period_type,
        period_start,
        period_end,
        known_from,
        null::double as numerator,
        null::double as denominator,
        spread as value,
        case
            when len(editions) = 1 then editions[1]
            when coalesce(len(editions), 0) = 0 then 'unknown'
            else 'mixed'
        end as edition,
        is_provisional,
        concat_ws(
            '; ',
            case
                when is_incomplete
                    then 'no value: of ' || member_count || ' at the level of the ' || member_level || ', no '
                    || from_indicator_id || ' of ' || array_to_string(missing_codes, ', ')
                when spread is null and base_rate = 0 then 'no value: nothing is a percentage above a rate of none'
                when spread is null
                    then 'no value: no mean, for the CCG returned no rate of its own, and not every one of its '
                    || member_level || 's the counts of which its rate is made'
                when rule = 'lowest' then 'the lowest of ' || member_count || ': ' || lowest_code
                else 'the highest of ' || member_count || ': ' || highest_code
            end,
            case
                when spread is null or rule <> 'worst_above_mean' then null
                when ccg_rate is not null then 'the mean is the rate that the CCG returned'
                else 'the mean is that of all people, not of the rates: ' || {{ figure_in_words('all_cases') }} || ' of '
                || {{ figure_in_words('all_people') }}
            end,
            caveat
        ) as caveat,
        case
            when spread is not null and base_rate is not null
                then '(' || {{ figure_in_words('highest') }} || ' - ' || {{ figure_in_words('base_rate') }} || ') / '
                || {{ figure_in_words('base_rate') }} || ' x 100'
        end as arithmetic,
        extract_ids,
        case when spread is not null then base_rate::double end as base_rate
    from based

),

worked_out as (

    select
        *,
        null::double as base_rate
    from county_values

    union all

    select
        *,
        null::double as base_rate
    from share_values

    union all

    select * from spread_values

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
    worked_out.extract_ids,
    worked_out.base_rate
from worked_out
inner join indicators using (indicator_id)
