with scores as (

    select * from {{ ref('int_assessment_scores') }}

),

components as (

    select * from {{ ref('iaf_components') }}

),

bands as (

    select * from {{ ref('iaf_bands') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}
    where org_level = 'ccg'

),

by_component as (

    select
        financial_year_start,
        org_code,
        component,
        sum(score * weight) as points,
        sum(case when score is not null then weight end) as weights,
        -- A share of whole and half points, to twelve places: no two of them that differ are nearer to each other.
        (points::double / weights::double)::decimal(28, 12) as score,
        count(score) as indicators_scored,
        count(*) as indicators_listed,
        max(band) as band,
        max(period_end) filter (where score is not null) as latest_period_end,
        bool_or(is_provisional) filter (where score is not null) as is_provisional,
        list(indicator_id order by indicator_id) filter (where score is null) as indicators_missing,
        coalesce(bool_or(not is_band_stated), false) as has_bands_of_ours
    from scores
    group by financial_year_start, org_code, component

),

-- Every component of the framework for every CCG, whether it has an indicator or not.
weighed as (

    select
        ccgs.financial_year_start,
        ccgs.org_code,
        components.component,
        components.component_name,
        components.weight_pct,
        components.framework_indicators,
        components.is_overriding,
        by_component.points,
        by_component.weights,
        by_component.score,
        coalesce(by_component.indicators_scored, 0) as indicators_scored,
        coalesce(by_component.indicators_listed, 0) as indicators_listed,
        by_component.band,
        by_component.latest_period_end,
        by_component.is_provisional,
        by_component.indicators_missing,
        by_component.has_bands_of_ours,
        by_component.score is not null
        and by_component.indicators_scored * 100 >= by_component.indicators_listed * components.least_scored_pct
            as is_scored_enough
    from (select distinct financial_year_start, org_code from scores) as ccgs
    inner join components
        on
            ccgs.financial_year_start >= components.valid_from
            and ccgs.financial_year_start <= coalesce(components.valid_to, date '9999-12-31')
    left join by_component using (financial_year_start, org_code, component)

),

overall as (

    select
        financial_year_start,
        org_code,
        max(score) filter (where component = 'performance') as performance_score,
        max(points) filter (where component = 'performance') as performance_points,
        max(indicators_scored) filter (where component = 'performance') as performance_indicators_scored,
        max(indicators_listed) filter (where component = 'performance') as performance_indicators_listed,
        max(framework_indicators) filter (where component = 'performance') as performance_indicators_in_framework,
        max(band) filter (where component = 'leadership') as leadership_rating,
        max(score) filter (where component = 'leadership') as leadership_score,
        max(band) filter (where component = 'finance') as finance_rating,
        max(score) filter (where component = 'finance') as finance_score,
        case
            when count(score) = count(*) and sum(weight_pct) = 100
                then (sum(score * weight_pct) / 100)::decimal(28, 12)
        end as overall_score,
        bool_and(is_scored_enough) as is_scored_enough,
        sum(weight_pct) as weight_pct_in_all,
        -- Known without the other components: red in each that overrides.
        coalesce(bool_and(coalesce(score = 0, false)) filter (where is_overriding), false) as is_overridden,
        string_agg(
            case
                when weights = 1 then {{ figure_in_words('points') }}
                else {{ figure_in_words('points') }} || ' / ' || {{ figure_in_words('weights') }}
            end || ' x ' || {{ figure_in_words('weight_pct') }} || ' %',
            ' + ' order by weight_pct, component desc
        ) as arithmetic,
        max(latest_period_end) as latest_period_end,
        bool_or(is_provisional) as is_provisional,
        string_agg(
            case
                when indicators_listed = 0 then component_name || ': no indicator is listed'
                when score is null then component_name || ': no score'
                when indicators_scored < indicators_listed
                    then component_name || ': ' || indicators_scored || ' of ' || indicators_listed
                    || ' indicators have a score, not ' || array_to_string(indicators_missing, ', ')
            end,
            '; ' order by weight_pct desc, component
        ) as what_is_missing,
        string_agg(
            case
                when indicators_listed < framework_indicators
                    then 'an estimate: ' || indicators_listed || ' of the ' || framework_indicators
                    || ' indicators of ' || lower(component_name) || ' are listed (iaf_indicators)'
            end,
            '; ' order by weight_pct desc, component
        ) as what_is_not_listed,
        string_agg(
            case when has_bands_of_ours then lower(component_name) end, ' and ' order by weight_pct desc, component
        ) as components_with_bands_of_ours
    from weighed
    group by financial_year_start, org_code

)

select
    overall.financial_year_start,
    overall.org_code,
    organisations.org_name,
    overall.latest_period_end,
    overall.performance_points::double as performance_points,
    overall.performance_indicators_scored,
    overall.performance_indicators_listed,
    overall.performance_indicators_in_framework,
    overall.performance_score::double as performance_score,
    overall.leadership_rating,
    overall.leadership_score::double as leadership_score,
    overall.finance_rating,
    overall.finance_score::double as finance_score,
    overall.overall_score::double as overall_score,
    case
        when overall.is_overridden then overrides.band
        when overall.is_scored_enough and overall.overall_score is not null then categories.band
    end as category,
    overall.is_overridden,
    case
        when overall.overall_score is not null
            then overall.arithmetic || ' = ' || overall.overall_score::decimal(10, 2)::varchar
    end as arithmetic,
    overall.is_provisional,
    nullif(concat_ws(
        '; ',
        case
            when overall.is_overridden then 'red for all that overrides: ' || overrides.band || ' whatever the score'
            when not overall.is_scored_enough or overall.weight_pct_in_all <> 100 then 'no category'
        end,
        case
            when overall.weight_pct_in_all <> 100
                then 'the weights of the components add up to ' || {{ figure_in_words('overall.weight_pct_in_all') }}
                || ' %, not to 100'
        end,
        overall.what_is_missing,
        overall.what_is_not_listed,
        case
            when overall.components_with_bands_of_ours is not null
                then 'bands of ' || overall.components_with_bands_of_ours
                || ' that the source does not state, a choice of ours (iaf_bands)'
        end
    ), '') as caveat
from overall
left join organisations using (org_code)
left join bands as overrides
    on overrides.scheme = 'override'
left join bands as categories
    on
        categories.scheme = 'category'
        and (categories.above is null or overall.overall_score > categories.above)
        and (categories.up_to is null or overall.overall_score <= categories.up_to)
