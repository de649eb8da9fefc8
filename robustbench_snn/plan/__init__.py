"""A suite to its cells, each with the identity that its key is made of."""
