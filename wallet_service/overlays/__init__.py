"""Overlays: another face over a design for a span, written and published by staff."""
