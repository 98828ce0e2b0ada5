"""Dagster assets, by layer: what is received, the rows of each dataset, the dbt models, what is published.

Belongs here: asset specs, metadata and the order of work. Does not belong here: how a file is read (`extracts`),
what happens to it (`landing`), and any rule about an indicator (dbt).
"""

OWNERS = ["team:ccg-analytics"]
POOL = "warehouse"
