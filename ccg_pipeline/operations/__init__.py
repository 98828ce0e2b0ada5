"""What whoever looks after an installation does with it: examine, back up, restore, keep Dagster's records elsewhere.

Belongs here: `doctor`, `backup` (both ways), the configuration of Dagster's own records, when the schedule runs, and
the commands for these. Does not belong here: any step of a night (`nightly`, `assets`), and what a figure means.
Nothing here imports Dagster: an installation that Dagster cannot start in must be examined and restored all the same.
"""
