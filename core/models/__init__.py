"""Stored models, opened and asked: what they answer, and when they had better not."""
