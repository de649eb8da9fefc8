"""An example of a distribution that brings an encoder."""
