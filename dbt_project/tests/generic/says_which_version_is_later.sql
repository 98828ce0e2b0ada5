{#-
    Of several versions of a planned period it is known which was agreed last. Where it is not, the test stops with the
    plan, its versions and what to write: a condition, since the text of a column that nobody reads is never made.
-#}
{% test says_which_version_is_later(model) %}
    with undecided as (

        select
            plan_id,
            indicator_id,
            org_code,
            min(period_start) as first_period,
            string_agg(
                distinct plan_version || coalesce(' (agreed on ' || agreed_on || ')', ' (no date)'), ', '
                order by plan_version || coalesce(' (agreed on ' || agreed_on || ')', ' (no date)')
            ) as versions
        from {{ model }}
        where is_current_version is null
        group by all

    )

    select *
    from undecided
    where error(
        'plan ' || plan_id || ', ' || indicator_id || ' of ' || org_code || ', period from ' || first_period
        || ': nothing says which version is the later: ' || versions
        || '. Give each its own day in agreed_on of seeds/plan_versions.csv'
    ) is null
{% endtest %}
