{#-
    The sums of a savings plan are the same whichever way they are added: by line, point of delivery, scheme and provider,
    planned and returned; and those of the year are the totals that the plan itself states.
-#}
{% test totals_add_up_both_ways(model) %}
    with sums as (

        select
            plan_id,
            period_type,
            period_end,
            row_kind,
            sum(planned_for_year_gbp_thousands) as planned_for_year,
            case when count(planned_gbp_thousands) = count(*) then sum(planned_gbp_thousands) end as planned,
            sum(returned_gbp_thousands) as returned,
            sum(cells_missing) as cells_missing
        from {{ model }}
        where row_kind <> 'overall, as returned'
        group by all

    ),

    totals as (

        select * from sums
        where row_kind = 'total'

    )

    select
        plan_id,
        period_type,
        period_end,
        sums.row_kind
    from sums
    inner join totals using (plan_id, period_type, period_end)
    where
        sums.planned_for_year is distinct from totals.planned_for_year
        or (sums.row_kind <> 'cell' and sums.planned <> totals.planned)
        or sums.returned is distinct from totals.returned
        or sums.cells_missing <> totals.cells_missing

    union all

    select
        plan_id,
        period_type,
        period_end,
        'stated' as row_kind
    from {{ model }}
    where stated_total_gbp_thousands <> planned_gbp_thousands
{% endtest %}
