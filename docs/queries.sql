-- Examples of questions to published/ccg.duckdb. Each statement stands alone; change the codes and dates in it.

-- The headlines of a commissioner in a month, with verdicts and the month before.
SELECT sort_order, headline, org_name, value_shown, target_shown, verdict, last_value_shown, change_verdict, caveat
FROM marts.rpt_at_a_glance
WHERE board_code = '06N' AND period_start = DATE '2019-05-01'
ORDER BY sort_order;

-- What is out of standard or off plan in a month, the worst first, as sentences.
SELECT org_name, severity, change, narrative
FROM marts.rpt_exceptions
WHERE period_type = 'month' AND period_start = DATE '2019-05-01' AND change <> 'ended'
ORDER BY worst_first;

-- One indicator of several organisations over time. Percentages are unrounded; a missing value has a caveat.
SELECT org_code, period_start, numerator, denominator, round(value, 1) AS value_pct, standard, is_met, caveat
FROM marts.fct_standard_comparisons
WHERE indicator_id = 'CANCER_62D_GP' AND org_code IN ('06N', '06K', '07H', 'QM7')
    AND period_type = 'month' AND is_preferred
ORDER BY org_code, period_start;

-- Who has been out of standard longest, in the latest month of each indicator.
SELECT indicator_id, org_code, period_start, value, standard, periods_in_breach
FROM marts.fct_standard_comparisons
WHERE period_type = 'month' AND is_preferred AND periods_in_breach > 0
QUALIFY period_start = max(period_start) OVER (PARTITION BY indicator_id)
ORDER BY periods_in_breach DESC, indicator_id, org_code
LIMIT 20;

-- The points, limits and special causes of a control chart as it stands.
SELECT period_start, value, mean, lower_limit, upper_limit, target, rule, variation
FROM marts.fct_spc_points
WHERE indicator_id = 'AE_4HR' AND org_code = 'RWG' AND source = 'derived' AND period_type = 'month'
ORDER BY period_start;

-- The files that a value rests on, with their sha256.
SELECT v.indicator_id, v.org_code, v.period_start, v.value, e.file_name, e.edition, e.extract_id AS sha256
FROM marts.fct_indicator_values v
JOIN marts.extracts e ON list_contains(v.extract_ids, e.extract_id)
WHERE v.indicator_id = 'RTT_INCOMPLETE_18W' AND v.org_code = '06N' AND v.period_type = 'month'
    AND e.status <> 'duplicate'
ORDER BY v.period_start, e.file_name;

-- Questions that stand about figures, those not to be quoted first.
SELECT severity, is_value_wrong, org_name, indicator_name, period, question
FROM marts.rpt_data_queries
ORDER BY is_value_wrong DESC, severity_order, question;

-- What a table holds: the data dictionary.
SELECT column_name, data_type, description
FROM marts.dim_columns
WHERE table_name = 'fct_standard_comparisons'
ORDER BY column_order;

-- Publications and what they were made from. The one that stood at the end of a day (put it for current_date) is the first.
SELECT run_id, kind, published_at, files, loaded_extracts, rejected_extracts, catalogue_fingerprint, marts_fingerprint
FROM marts.runs
WHERE outcome = 'published' AND published_at < current_date + INTERVAL 1 DAY
ORDER BY published_at DESC;

-- The files that this publication was made from, and what was refused. For a past one: its run_id from the question above.
SELECT f.dataset, f.file_name, f.outcome, f.reason, f.row_count, f.extract_id AS sha256
FROM marts.runs_files f
JOIN marts.runs r USING (run_id)
WHERE r.has_made_this_publication
ORDER BY f.dataset, f.file_name;
