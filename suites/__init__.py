"""The evaluations, one kind a file or folder, and the shipped suite files."""
