"""Measures: evaluation of a model's predictions, comparison of two models, and checks of published figures."""
