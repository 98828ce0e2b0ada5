{#-
    Every stated rebase is at the first day of a period in which its series has a point: else the test is an error that
    says which is not. A rebuild as known earlier may not have the period yet, and is not asked.
-#}
{% test rebases_have_a_point(model) %}
    {{ config(fail_calc="case when count(*) > 0 then error(string_agg(problem, '; ' order by problem)) else 0 end") }}
    select
        'spc_rebases: the limits of ' || rebases.indicator_id || ' of ' || rebases.org_code || ' (' || rebases.org_level
        || ') cannot be worked out anew from ' || rebases.rebase_date || ': no period with a figure begins on that day'
        as problem
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
