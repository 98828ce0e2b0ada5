{%- set models = [
    'one_off_values', 'national_falls', 'level_shifts', 'constant_runs', 'repeated_blocks', 'sums', 'impossible_values',
    'years', 'rates_against_counts', 'reported_differences', 'vanished_organisations', 'files',
] -%}

with queries as (
{% for model in models %}
    select
        finding,
        dataset,
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        period_end,
        source,
        subject,
        question,
        evidence
    from {{ ref('int_query_' ~ model) }}
    {{ 'union all' if not loop.last }}
{% endfor %}
),

kinds as (

    select * from {{ ref('data_query_kinds') }}

)

select
    md5(
        concat_ws(
            '|', queries.finding, queries.dataset, coalesce(queries.indicator_id, ''), coalesce(queries.org_code, ''),
            coalesce(queries.org_level, ''), coalesce(queries.period_type, ''),
            coalesce(queries.period_start::varchar, ''), coalesce(queries.period_end::varchar, ''), queries.source,
            coalesce(queries.subject, '')
        )
    ) as query_id,
    queries.dataset,
    queries.indicator_id,
    queries.org_code,
    queries.org_level,
    queries.period_type,
    queries.period_start,
    queries.period_end,
    queries.source,
    queries.finding,
    queries.subject,
    queries.question,
    queries.evidence,
    kinds.severity,
    kinds.is_value_wrong
from queries
left join kinds using (finding)
