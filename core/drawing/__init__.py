"""Drawings and pictures: opened, prepared as MNIST's digits were, inked from strokes, labelled and kept."""
