{#-
    The rows that a value is said to rest on add up to it, and every value has its rows: one row for each value of the
    dataset where they do not. Counts of whole and half patients, and days, are exact; bed days come from one row. With
    `only_new`, of extracts that no publication holds yet.
-#}
{% test rows_add_up(model, dataset, only_new=false) %}
    select
        indicator_id,
        org_code,
        org_level,
        period_type,
        period_start,
        known_from,
        counts.numerator,
        traced.numerator as numerator_of_rows,
        counts.denominator,
        traced.denominator as denominator_of_rows
    from (
        select * from {{ ref('int_dataset_counts') }}
        where
            dataset = '{{ dataset }}'
            {%- if only_new and not flags.FULL_REFRESH %}
            and extract_ids[1] in ('{{ new_extracts(dataset) | join("', '") }}')
            {%- endif %}
    ) as counts
    full outer join (
        select
            indicator_id,
            org_code,
            org_level,
            period_type,
            period_start,
            known_from,
            sum(numerator) as numerator,
            sum(denominator) as denominator
        from ({{ rows_of_new_extracts(model, dataset if only_new else none) }}) as new_rows
        group by all
    ) as traced using (indicator_id, org_code, org_level, period_type, period_start, known_from)
    where
        counts.dataset is null
        or counts.numerator is distinct from traced.numerator
        or counts.denominator is distinct from traced.denominator
{% endtest %}
