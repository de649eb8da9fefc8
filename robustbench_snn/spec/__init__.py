"""A suite file to a validated suite."""
