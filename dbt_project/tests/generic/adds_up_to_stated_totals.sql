{#- The cells of a table add up, by row and by column, to the totals that it states itself. -#}
{% test adds_up_to_stated_totals(model) %}
    with cells as (

        select * from {{ model }}

    ),

    sums as (

        select
            plan_id,
            point_of_delivery,
            scheme,
            'TOTAL' as provider,
            sum(planned_gbp_thousands) as added
        from cells
        where provider <> 'TOTAL'
        group by all

        union all

        select
            plan_id,
            'TOTAL' as point_of_delivery,
            'All' as scheme,
            provider,
            sum(planned_gbp_thousands) as added
        from cells
        where point_of_delivery <> 'TOTAL'
        group by all

    ),

    totals as (

        select
            plan_id,
            point_of_delivery,
            scheme,
            provider,
            planned_gbp_thousands as stated
        from cells
        where is_stated_total

    )

    select
        *
    from sums
    full join totals using (plan_id, point_of_delivery, scheme, provider)
    where added is distinct from stated
{% endtest %}
