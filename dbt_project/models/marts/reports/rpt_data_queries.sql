with queries as (

    select * from {{ ref('fct_data_queries') }}

),

kinds as (

    select * from {{ ref('data_query_kinds') }}

),

indicators as (

    select * from {{ ref('dim_indicators') }}

),

organisations as (

    select * from {{ ref('dim_organisations') }}

)

select
    queries.query_id,
    case queries.severity when 'high' then 1 when 'medium' then 2 else 3 end as severity_order,
    queries.severity,
    queries.is_value_wrong,
    queries.finding,
    kinds.meaning as finding_meaning,
    queries.dataset,
    queries.indicator_id,
    indicators.indicator_name,
    queries.org_code,
    queries.org_level,
    organisations.org_name,
    organisations.parent_code,
    queries.period_type,
    queries.period_start,
    queries.period_end,
    case
        when queries.period_start is null then null
        when queries.period_end > {{ period_end('queries.period_type', 'queries.period_start') }}
            then strftime(queries.period_start, '%B %Y') || ' to ' || strftime(queries.period_end, '%B %Y')
        else {{ period_in_words('queries.period_type', 'queries.period_start', 'queries.period_end') }}
    end as period,
    queries.source,
    queries.question,
    queries.evidence
from queries
inner join kinds using (finding)
left join indicators using (indicator_id)
left join organisations on queries.org_code = organisations.org_code and queries.org_level = organisations.org_level
