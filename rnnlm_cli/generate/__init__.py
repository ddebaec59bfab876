"""New text."""
