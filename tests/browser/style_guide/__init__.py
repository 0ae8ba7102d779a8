"""A Flask app of one page for each layout that shows every part in every state; for tests and for the eye."""

from tests.browser.style_guide.app import create_guide

__all__ = ["create_guide"]
