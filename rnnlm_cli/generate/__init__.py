"""Generation of new text: sampling filters, the sampler, the decoding loop."""
