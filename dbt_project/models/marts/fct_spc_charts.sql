{{ config(materialized='view') }}
{{ spc_charts(
    ref('int_spc_points'),
    'select series_number, point_number as chart_number, period_start as as_at from points'
) }}
