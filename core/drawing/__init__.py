"""Drawings and pictures: opened, prepared as MNIST's digits were, inked from strokes, labelled and kept."""

from __future__ import annotations

SHEET = 112  # px a side of the sheet that the drawing pad sends, four to each that MNIST's digits have
