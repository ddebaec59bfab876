"""Text <-> token ids. Knows no torch, no model."""
