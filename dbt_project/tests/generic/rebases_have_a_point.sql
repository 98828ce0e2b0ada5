{#-
    Every stated rebase is at the first day of a period in which its series has a point; the test fails in words. What a
    rebuild as known earlier does not know yet is not asked for.
-#}
{% test rebases_have_a_point(model) %}
    select error(
        'spc_rebases: the limits of ' || rebases.indicator_id || ' of ' || rebases.org_code || ' (' || rebases.org_level
        || ') cannot be worked out anew from ' || rebases.rebase_date || ': no period with a figure begins on that day'
    ) as problem
    from {{ ref('spc_rebases') }} as rebases
    anti join {{ model }} as points
        on
            rebases.indicator_id = points.indicator_id
            and rebases.org_code = points.org_code
            and rebases.org_level in (points.series_level, points.org_level)
            and rebases.rebase_date = points.period_start
    {%- if var('as_known_at', none) %}
    where false
    {%- endif %}
{% endtest %}
