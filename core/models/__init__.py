"""Predictions of stored models, and when a model should abstain."""
