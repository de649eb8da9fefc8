"""Tables of schema version 1: what is needed to read and show them as they were published."""
