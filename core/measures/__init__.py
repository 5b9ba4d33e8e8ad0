"""Measures: what the answers of a model on a split say, how two models compare, whether a published figure holds."""
