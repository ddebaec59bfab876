"""Measurements inside a trained network: its steps, gradients, contexts and units."""
