"""Everything between pixels and logits that is not a component."""
