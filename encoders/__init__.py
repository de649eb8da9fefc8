"""The shipped spike encoders, one a file; adding one is one new file here."""
