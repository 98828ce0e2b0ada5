{#-
    The distance of a CCG from its reference point (the national standard, else the mean of the CCGs) in standard
    deviations of all CCGs with a figure: they are the whole population, so it is the population's. Ratings are read from
    their own bands.
-#}
{%- set least_ccgs = var('assessment_least_ccgs') -%}

with comparisons as (

    select
        *,
        make_date(
            year(period_end) - case when month(period_end) < 4 then 1 else 0 end, 4, 1
        ) as financial_year_start,
        case period_type when 'financial_year' then 1 when 'ytd' then 2 when 'quarter' then 3 when 'month' then 4 end
            as period_rank
    from {{ ref('fct_standard_comparisons') }}
    where org_level = 'ccg' and is_preferred and period_type in ('financial_year', 'ytd', 'quarter', 'month')

),

members as (

    select * from {{ ref('iaf_indicators') }}

),

bands as (

    select * from {{ ref('iaf_bands') }}

),

standards as (

    select * from {{ ref('dim_standards') }}
    -- Not those of one organisation's own.
    where scope in ('national', 'local')

),

indicators as (

    select * from {{ ref('indicators') }}

),

candidates as (

    select
        comparisons.*,
        members.component,
        members.weight,
        members.band_scheme,
        members.compared_with,
        count(comparisons.value) over (
            partition by
                comparisons.indicator_id, comparisons.financial_year_start, comparisons.period_type,
                comparisons.period_end
        ) as ccgs_with_figure
    from comparisons
    inner join members
        on
            comparisons.indicator_id = members.indicator_id
            and comparisons.financial_year_start >= members.valid_from
            and comparisons.financial_year_start <= coalesce(members.valid_to, date '9999-12-31')

),

-- All CCGs of an indicator in one period of the year: the last for which enough of them have a figure, the longest that
-- ends then. A rating is that of the CCG alone.
chosen as (

    select *
    from candidates
    qualify rank() over (
        partition by
            indicator_id, financial_year_start, case when band_scheme <> 'z_score' then org_code end
        order by
            case
                when band_scheme <> 'z_score' then value is not null
                else ccgs_with_figure >= {{ least_ccgs }}
            end desc,
            ccgs_with_figure > 0 desc,
            period_end desc,
            period_rank
    ) = 1

),

with_standard as (

    select
        chosen.* exclude (standard, standard_id, comparator),
        standards.standard
    from chosen
    left join standards
        on
            chosen.indicator_id = standards.indicator_id
            and chosen.compared_with = 'standard'
            and chosen.period_end >= coalesce(standards.valid_from, date '1900-01-01')
            and chosen.period_end <= coalesce(standards.valid_to, date '9999-12-31')
    qualify row_number() over (
        partition by chosen.indicator_id, chosen.org_code, chosen.financial_year_start
        order by standards.valid_from desc
    ) = 1

),

spread as (

    select
        *,
        case when band_scheme = 'z_score' then avg(value) over all_ccgs end as mean_of_ccgs,
        case when band_scheme = 'z_score' then stddev_pop(value) over all_ccgs end as standard_deviation
    from with_standard
    -- In one order: the last digit of a mean is that of the order in which it was summed.
    window all_ccgs as (
        partition by indicator_id, financial_year_start
        order by org_code rows between unbounded preceding and unbounded following
    )

),

-- Every indicator of the framework for every CCG of which the year has any.
expected as (

    select
        ccgs.financial_year_start,
        ccgs.org_code,
        members.indicator_id,
        members.component,
        members.weight,
        members.band_scheme
    from (select distinct financial_year_start, org_code from chosen) as ccgs
    inner join members
        on
            ccgs.financial_year_start >= members.valid_from
            and ccgs.financial_year_start <= coalesce(members.valid_to, date '9999-12-31')

),

measured as (

    select
        expected.*,
        indicators.indicator_name,
        indicators.unit,
        indicators.direction,
        spread.period_type,
        spread.period_start,
        spread.period_end,
        spread.value,
        spread.standard,
        spread.mean_of_ccgs,
        spread.standard_deviation,
        spread.ccgs_with_figure,
        coalesce(spread.standard::double, spread.mean_of_ccgs) as reference_point,
        case indicators.direction
            when 'higher' then spread.value - reference_point
            when 'lower' then reference_point - spread.value
        end as distance,
        case
            when spread.ccgs_with_figure >= {{ least_ccgs }} and spread.standard_deviation > 0
                then distance / spread.standard_deviation
        end as z_score,
        spread.is_provisional,
        spread.caveat as value_caveat
    from expected
    inner join indicators using (indicator_id)
    left join spread using (financial_year_start, org_code, indicator_id)

)

select
    measured.financial_year_start,
    measured.org_code,
    measured.indicator_id,
    measured.indicator_name,
    measured.component,
    measured.weight,
    measured.band_scheme,
    measured.period_type,
    measured.period_start,
    measured.period_end,
    measured.value,
    measured.unit,
    measured.standard,
    measured.mean_of_ccgs,
    measured.standard_deviation,
    measured.ccgs_with_figure,
    measured.distance,
    measured.z_score,
    bands.band,
    bands.score,
    bands.is_stated as is_band_stated,
    measured.is_provisional,
    nullif(concat_ws(
        '; ',
        case
            when measured.value is null then 'no score: no figure'
            when measured.band_scheme <> 'z_score' and bands.score is null
                then 'no score: ' || {{ figure_in_words('measured.value') }} || ' is no rating of this kind'
            when measured.band_scheme = 'z_score' and measured.direction = 'neutral'
                then 'no score: neither side of it is better'
            when measured.band_scheme = 'z_score' and measured.ccgs_with_figure < {{ least_ccgs }}
                then 'no score: ' || measured.ccgs_with_figure || ' CCGs have a figure, at least {{ least_ccgs }} are needed'
            when measured.band_scheme = 'z_score' and measured.z_score is null
                then 'no score: all CCGs have the same value'
        end,
        measured.value_caveat
    ), '') as caveat
from measured
left join bands
    on
        measured.band_scheme = bands.scheme
        and case
            when measured.band_scheme = 'z_score'
                then
                    measured.z_score is not null
                    and (bands.above is null or measured.z_score > bands.above)
                    and (bands.up_to is null or measured.z_score <= bands.up_to)
            else measured.value = bands.rating
        end
