"""Tests of stores as people manage them."""
