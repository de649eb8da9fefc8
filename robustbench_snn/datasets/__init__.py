"""The shipped datasets, one a file; adding one is one new file here."""
