with comparisons as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('fct_standard_comparisons') }}
    where period_type = 'month'

),

headlines as (

    select * from {{ ref('headline_indicators') }}

),

main_providers as (

    select
        *,
        {{ series_level() }} as series_level
    from {{ ref('main_providers') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

standards as (

    select * from {{ ref('dim_standards') }}

),

indicator_values as (

    select * from {{ ref('fct_indicator_values') }}
    where period_type = 'month' and source = 'derived'

),

reported_differences as (

    select * from {{ ref('fct_reported_differences') }}
    where period_type = 'month'

),

restatements as (

    select * from {{ ref('fct_restatements') }}
    where period_type = 'month' and source = 'derived'

),

spc_points as (

    select * from {{ ref('int_spc_points') }}
    where period_type = 'month'

),

headline_indicators as (

    select distinct
        headlines.indicator_id,
        coalesce(indicators.counterpart_of, headlines.indicator_id) as derived_indicator_id
    from headlines
    inner join indicators using (indicator_id)

),

derived as (

    select
        headline_indicators.indicator_id as headline_indicator_id,
        comparisons.*
    from comparisons
    inner join headline_indicators on comparisons.indicator_id = headline_indicators.derived_indicator_id
    where comparisons.source = 'derived'

),

reported as (

    select
        headline_indicators.indicator_id as headline_indicator_id,
        comparisons.*
    from comparisons
    inner join headline_indicators using (indicator_id)
    where comparisons.source = 'reported'

),

-- What is derived and what is reported of a headline side by side. An indicator that is reported by a definition of its
-- own is quoted as reported; every other as derived; where the one is missing, the other.
figures as (

    select
        coalesce(derived.headline_indicator_id, reported.headline_indicator_id) as headline_indicator_id,
        coalesce(derived.org_code, reported.org_code) as org_code,
        coalesce(derived.series_level, reported.series_level) as series_level,
        coalesce(derived.period_start, reported.period_start) as period_start,
        case
            when derived.value is null and reported.value is null
                then case when derived.indicator_id is not null then 'derived' else 'reported' end
            when reported.value is null then 'derived'
            when derived.value is null or derived.indicator_id <> reported.indicator_id then 'reported'
            else 'derived'
        end as quoted_source,
        {%- for source in ['derived', 'reported'] %}
        {%- for column in [
            'indicator_id', 'org_level', 'period_end', 'numerator', 'denominator', 'value', 'standard', 'comparator',
            'is_met', 'periods_in_breach', 'is_provisional', 'caveat'
        ] %}
        {{ source }}.{{ column }} as {{ source }}_{{ column }},
        {%- endfor %}
        {%- endfor %}
        {%- for column in [
            'indicator_id', 'org_level', 'period_end', 'numerator', 'denominator', 'value', 'standard', 'comparator',
            'is_met', 'periods_in_breach', 'is_provisional', 'caveat'
        ] %}
        case quoted_source when 'derived' then derived.{{ column }} else reported.{{ column }} end as {{ column }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from derived
    full outer join reported
        on
            derived.headline_indicator_id = reported.headline_indicator_id
            and derived.org_code = reported.org_code
            and derived.series_level = reported.series_level
            and derived.period_start = reported.period_start

),

boards as (

    select distinct
        figures.org_code as board_code,
        figures.org_level as board_level,
        figures.series_level,
        figures.period_start,
        figures.period_end
    from figures
    where figures.series_level in ('ccg', 'stp')

),

lines as (

    select
        boards.*,
        headlines.sort_order,
        headlines.headline,
        headlines.indicator_id as headline_indicator_id,
        headlines.shown_for,
        headlines.difference_reason,
        case headlines.shown_for
            when 'commissioner' then boards.board_code
            else main_providers.provider_code
        end as org_code,
        case headlines.shown_for when 'commissioner' then boards.series_level else 'provider' end as line_level
    from boards
    cross join headlines
    left join main_providers
        on
            boards.board_code = main_providers.org_code
            and boards.series_level = main_providers.series_level
            and headlines.shown_for = main_providers.role
            and boards.period_start >= main_providers.valid_from
            and boards.period_end <= coalesce(main_providers.valid_to, date '9999-12-31')

),

-- What the extracts said of a month before: a return may still have it.
revisions as (

    select
        indicator_id,
        org_code,
        org_level,
        period_start,
        previous_value,
        restated_at
    from restatements
    where previous_value is not null

),

differences as (

    select
        reported_differences.indicator_id,
        reported_differences.org_code,
        reported_differences.org_level,
        reported_differences.period_start,
        any_value(reported_differences.difference) as difference,
        any_value(reported_differences.derived_indicator_id = reported_differences.indicator_id) as is_same_indicator,
        min(revisions.restated_at) as revised_at,
        any_value(indicator_values.edition) as derived_edition
    from reported_differences
    inner join headline_indicators
        on
            reported_differences.indicator_id = headline_indicators.indicator_id
            and reported_differences.derived_indicator_id = headline_indicators.derived_indicator_id
    left join revisions
        on
            reported_differences.derived_indicator_id = revisions.indicator_id
            and reported_differences.org_code = revisions.org_code
            and reported_differences.org_level = revisions.org_level
            and reported_differences.period_start = revisions.period_start
            and abs(reported_differences.reported_value - revisions.previous_value)
            <= 0.5 * pow(10, -reported_differences.value_decimals) + 1e-9
    left join indicator_values
        on
            reported_differences.derived_indicator_id = indicator_values.indicator_id
            and reported_differences.org_code = indicator_values.org_code
            and reported_differences.org_level = indicator_values.org_level
            and reported_differences.period_start = indicator_values.period_start
    group by
        reported_differences.indicator_id,
        reported_differences.org_code,
        reported_differences.org_level,
        reported_differences.period_start

),

compared as (

    select
        lines.*,
        figures.* exclude (headline_indicator_id, org_code, series_level, period_start, period_end),
        coalesce(figures.indicator_id, lines.headline_indicator_id) as shown_indicator_id,
        coalesce(figures.org_level, lines.line_level) as shown_level,
        lasts.period_start as last_period_start,
        case figures.quoted_source
            when 'derived' then lasts.derived_value is not null
            when 'reported' then lasts.reported_value is not null
        end as is_like_for_like,
        {%- for column in ['numerator', 'denominator', 'value', 'standard', 'is_met'] %}
        case
            when is_like_for_like and figures.quoted_source = 'derived' then lasts.derived_{{ column }}
            when is_like_for_like then lasts.reported_{{ column }}
            else lasts.{{ column }}
        end as last_{{ column }},
        {%- endfor %}
        lasts.quoted_source as last_quoted_source,
        lasts.derived_value as last_derived_value,
        lasts.derived_is_met as last_derived_is_met,
        lasts.reported_value as last_reported_value,
        lasts.reported_is_met as last_reported_is_met,
        case when is_like_for_like then figures.value - last_value end as change,
        differences.difference,
        case
            when differences.difference is null then null
            when not differences.is_same_indicator then lines.difference_reason
            when differences.revised_at is not null
                then 'the return has the figure before its revision of '
                || strftime(differences.revised_at, '%-d %B %Y')
            when differences.derived_edition = 'provisional'
                then 'the extract is provisional, and the return may rest on figures revised since: '
                || 'the final edition tells'
            when differences.derived_edition in ('revised', 'final')
                then 'the extract is the ' || differences.derived_edition
                || ' edition, and the return may rest on an earlier one'
            else 'not known: a question to who returned it'
        end as reason_of_difference
    from lines
    left join figures
        on
            lines.headline_indicator_id = figures.headline_indicator_id
            and lines.org_code = figures.org_code
            and lines.line_level = figures.series_level
            and lines.period_start = figures.period_start
    left join figures as lasts
        on
            lines.headline_indicator_id = lasts.headline_indicator_id
            and lines.org_code = lasts.org_code
            and lines.line_level = lasts.series_level
            and lines.period_start = (lasts.period_start + interval 1 month)::date
    left join differences
        on
            lines.headline_indicator_id = differences.indicator_id
            and lines.org_code = differences.org_code
            and figures.reported_org_level = differences.org_level
            and lines.period_start = differences.period_start

),

-- What a line without a figure would be held to.
without_figure as (

    select
        headline_indicator_id as indicator_id,
        org_code,
        line_level,
        period_start,
        period_end
    from compared
    where value is null and org_code is not null
    group by all

),

due as (

    {{ with_standard_in_force('without_figure', 'standards') }}

)

select
    compared.board_code,
    compared.board_level,
    boards_named.org_name as board_name,
    compared.period_start,
    compared.period_end,
    strftime(compared.period_start, '%B %Y') as period,
    compared.sort_order,
    compared.headline,
    compared.shown_for,
    compared.org_code,
    case when compared.org_code is not null then compared.shown_level end as org_level,
    organisations.org_name,
    compared.shown_indicator_id as indicator_id,
    indicators.indicator_name,
    indicators.unit,
    indicators.direction,
    compared.quoted_source as source,
    compared.numerator,
    compared.denominator,
    compared.value,
    coalesce({{ shown('compared.value', 'indicators.unit', 'compared.numerator', 'compared.denominator') }}, 'no value')
        as value_shown,
    case when compared.value is null then due.standard else compared.standard end as target,
    {{ standard_in_words(
        'case when compared.value is null then due.standard else compared.standard end',
        'case when compared.value is null then due.comparator else compared.comparator end',
        'indicators.unit'
    ) }} as target_shown,
    compared.is_met,
    {{ verdict('compared.value', 'compared.standard', 'compared.is_met') }} as verdict,
    compared.periods_in_breach,
    strftime(compared.period_start - interval 1 month, '%B %Y') as last_period,
    compared.last_value,
    coalesce(
        {{ shown('compared.last_value', 'indicators.unit', 'compared.last_numerator', 'compared.last_denominator') }},
        'no value'
    ) as last_value_shown,
    compared.last_is_met,
    {{ verdict('compared.last_value', 'compared.last_standard', 'compared.last_is_met') }} as last_verdict,
    compared.change,
    {{ change_in_words('compared.change', 'indicators.direction') }} as change_verdict,
    compared.derived_indicator_id,
    compared.derived_value,
    {{ shown(
        'compared.derived_value', 'indicators.unit', 'compared.derived_numerator', 'compared.derived_denominator'
    ) }}
        as derived_value_shown,
    {{ verdict('compared.derived_value', 'compared.derived_standard', 'compared.derived_is_met') }} as derived_verdict,
    compared.last_derived_value,
    compared.last_derived_is_met,
    compared.reported_indicator_id,
    compared.reported_value,
    {{ shown(
        'compared.reported_value', 'indicators.unit', 'compared.reported_numerator', 'compared.reported_denominator'
    ) }}
        as reported_value_shown,
    {{ verdict('compared.reported_value', 'compared.reported_standard', 'compared.reported_is_met') }}
        as reported_verdict,
    compared.last_reported_value,
    compared.last_reported_is_met,
    compared.difference,
    compared.reason_of_difference as difference_reason,
    spc_points.variation_icon,
    spc_points.assurance_icon,
    spc_points.is_short as is_chart_short,
    compared.is_provisional,
    nullif(concat_ws(
        '; ',
        case
            when compared.org_code is null
                then 'no value: the catalogue does not say which is the main '
                || replace(compared.shown_for, '_', ' ') || ' of ' || compared.board_code
            when compared.quoted_source is null then 'no value: no figure is held'
        end,
        case
            when
                compared.quoted_source is not null and compared.last_value is not null
                and not compared.is_like_for_like
                then 'last month is ' || compared.last_quoted_source || ', this month ' || compared.quoted_source
                || ': not compared'
        end,
        compared.caveat
    ), '') as caveat
from compared
inner join indicators on compared.shown_indicator_id = indicators.indicator_id
left join due
    on
        compared.headline_indicator_id = due.indicator_id
        and compared.org_code = due.org_code
        and compared.line_level = due.line_level
        and compared.period_start = due.period_start
left join organisations
    on compared.org_code = organisations.org_code and compared.shown_level = organisations.org_level
left join organisations as boards_named
    on compared.board_code = boards_named.org_code and compared.board_level = boards_named.org_level
left join spc_points
    on
        compared.shown_indicator_id = spc_points.indicator_id
        and compared.org_code = spc_points.org_code
        and compared.line_level = spc_points.series_level
        and compared.quoted_source = spc_points.source
        and compared.period_start = spc_points.period_start
