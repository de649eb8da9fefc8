"""Contract of evaluations; the evaluations themselves are in suites."""
