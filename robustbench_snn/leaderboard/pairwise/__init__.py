"""Two models of any tables, stores or suites against each other: ``rbsnn compare``."""
