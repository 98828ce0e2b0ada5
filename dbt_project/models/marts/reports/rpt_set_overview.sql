{%- set months = 15 -%}
with comparisons as (

    select
        *,
        {{ series_level() }} as series_level,
        year(period_start) * 12 + month(period_start) as month_number
    from {{ ref('fct_standard_comparisons') }}
    where
        period_type = 'month' and is_preferred
        -- Providers stand in rpt_provider_summary.
        and org_level not in ('provider', 'pct', 'commissioning_hub')

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

indicator_sets as (

    select * from {{ ref('dim_indicator_sets') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

),

spc_points as (

    select * from {{ ref('int_spc_points') }}
    where period_type = 'month'

),

figures as (

    select
        *,
        {{ shown('value', 'unit', 'numerator', 'denominator') }} as value_shown
    from comparisons

),

-- Months are those of the calendar: one without a figure is empty.
across as (

    select
        *,
        {%- for month in range(1, months + 1) %}
        {%- set name = '%02d' % month %}
        max(value) over month_{{ name }} as value_{{ name }},
        max(value_shown) over month_{{ name }} as shown_{{ name }},
        bool_or(is_met) over month_{{ name }} as is_met_{{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from figures
    window
        {%- for month in range(1, months + 1) %}
        month_{{ '%02d' % month }} as (
            partition by indicator_id, org_code, series_level
            order by month_number
            range between {{ months - month }} preceding and {{ months - month }} preceding
        )
        {{- ',' if not loop.last }}
        {%- endfor %}

)

select
    indicator_sets.set_id,
    indicator_sets.set_name,
    indicator_sets.sort_order,
    across.indicator_id,
    indicators.indicator_name,
    indicators.indicator_group,
    across.org_code,
    across.org_level,
    organisations.org_name,
    across.unit,
    indicators.direction,
    across.period_start,
    across.period_end,
    strftime(across.period_start, '%B %Y') as period,
    strftime(across.period_start - interval {{ months - 1 }} month, '%B %Y') || ' to '
    || strftime(across.period_start, '%B %Y') as months_shown,
    across.standard,
    {{ standard_in_words('across.standard', 'across.comparator', 'across.unit') }} as standard_shown,
    {%- for month in range(1, months + 1) %}
    {%- set name = '%02d' % month %}
    across.value_{{ name }},
    {%- endfor %}
    {%- for month in range(1, months + 1) %}
    {%- set name = '%02d' % month %}
    across.shown_{{ name }},
    {%- endfor %}
    {%- for month in range(1, months + 1) %}
    {%- set name = '%02d' % month %}
    across.is_met_{{ name }},
    {%- endfor %}
    across.source,
    {{ verdict('across.value', 'across.standard', 'across.is_met') }} as verdict,
    across.periods_in_breach,
    spc_points.variation_icon,
    spc_points.assurance_icon,
    spc_points.is_short as is_chart_short,
    across.is_provisional,
    across.caveat
from across
inner join indicators using (indicator_id)
inner join indicator_sets on across.indicator_id = indicator_sets.indicator_id
left join organisations on across.org_code = organisations.org_code and across.org_level = organisations.org_level
left join spc_points
    on
        across.indicator_id = spc_points.indicator_id
        and across.org_code = spc_points.org_code
        and across.series_level = spc_points.series_level
        and across.source = spc_points.source
        and across.period_start = spc_points.period_start
