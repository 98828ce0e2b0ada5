"""NHS commissioning performance: published extracts in, flagged indicators out.

What belongs where is said in the docstring of each package. The one way through is
extracts -> landing -> DuckDB ``raw`` -> dbt -> expectations -> ``published/``; nothing flows back.
Business rules (what counts, which standard holds, what is a breach) live in ``dbt_project``, not here.
"""
