"""Great Expectations: suites as JSON in ``expectations/``, run over pandas frames of the warehouse.

Belongs here: loading suites, running them, and turning results into asset checks and rows. Quality suites are
blocking; standards suites record breaches and never fail a run. Does not belong here: thresholds (they are rows of
the catalogue, from which the standards suites are generated) and what a breach leads to (dbt).

Importing Great Expectations takes seconds: it is imported where it runs, inside `running.run_suite`.
"""
