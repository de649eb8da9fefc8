"""Attack algorithms, one a file."""
