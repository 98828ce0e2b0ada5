"""What HAPPENS to a file: found in the landing folder, known by its bytes, loaded or quarantined.

Belongs here: the registry of extracts, loading, quarantine and its reasons. Does not belong here: what a file
is (`ccg_pipeline.extracts`), and which edition of a month counts (dbt).
"""
