"""Telling people: what a night found, by webhook and by mail, to those whom the environment names.

Belongs here: which ways and kinds are switched on (`configuration`), what there is to tell that was not told before
(`findings`), how it is put so that nothing in it acts on whoever reads it (`wording`), the two ways (`webhook`,
`mail`), and what was told and what still waits to be sent (`told`, `telling`). Does not belong here: what counts as a
breach, a restatement, overdue or stale (dbt models), and why a run failed (`nightly`). Nothing here ever fails a run,
and nothing heavy is imported: a night with nothing new tells too.
"""
