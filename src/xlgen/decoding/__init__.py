"""From checkpoints to text: decoding and clean-up."""
