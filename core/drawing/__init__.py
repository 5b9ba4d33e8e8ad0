"""Drawings and pictures: reading, preparation like MNIST's digits, rendering of strokes, and labelled collections."""

from __future__ import annotations

SHEET = 112  # px per side of the drawing pad's image, four times the side of an MNIST image
