{%- set datasets = ['ae', 'activity', 'cancelled_operations', 'cancer', 'diagnostics', 'dtoc', 'mar', 'rtt'] -%}
{#- Counts are of months, but for the datasets whose models say otherwise. -#}
{%- set with_period_type = ['cancelled_operations'] -%}

with dataset_counts as (
{% for dataset in datasets %}
    select
        '{{ dataset }}' as dataset,
        measure,
        org_code,
        org_name,
        org_level,
        {{ "period_type" if dataset in with_period_type else "'month' as period_type" }},
        period_start,
        known_from,
        known_to,
        numerator,
        denominator,
        caveat,
        edition,
        [extract_id] as extract_ids
    from {{ ref('int_' ~ dataset ~ '__indicator_counts') }}
    union all
{% endfor %}
    -- The rate rests on two extracts, of delayed days and of beds.
    select
        'dtoc' as dataset,
        measure,
        org_code,
        org_name,
        org_level,
        'month' as period_type,
        period_start,
        known_from,
        known_to,
        numerator,
        denominator,
        caveat,
        edition,
        extract_ids
    from {{ ref('int_dtoc__delay_rates') }}

),

indicators as (

    select * from {{ ref('indicators') }}

)

select
    indicators.indicator_id,
    dataset_counts.dataset,
    dataset_counts.org_code,
    dataset_counts.org_name,
    dataset_counts.org_level,
    dataset_counts.period_type,
    dataset_counts.period_start,
    dataset_counts.known_from,
    dataset_counts.known_to,
    dataset_counts.numerator::double as numerator,
    dataset_counts.denominator::double as denominator,
    dataset_counts.caveat,
    dataset_counts.edition,
    dataset_counts.extract_ids
from dataset_counts
inner join indicators using (dataset, measure)
