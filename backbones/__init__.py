"""The backbones: spikes of the encoder in, logits of every step out; one model a file, shared parts beside them."""
