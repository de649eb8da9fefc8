"""Contract and machinery of gradient estimators; the estimators themselves are in suites/estimators."""
