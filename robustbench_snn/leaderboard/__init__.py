"""Records to statistics, to a table, to a published version."""
