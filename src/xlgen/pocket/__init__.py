"""The embedded default: a small multilingual world and small backbones pretrained on it."""
