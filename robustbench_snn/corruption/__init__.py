"""Contract and machinery of corruptions; the corruptions themselves are in suites/corruptions."""
