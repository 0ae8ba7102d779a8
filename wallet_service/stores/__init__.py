"""Stores as people manage them: changes with their journal entries, import and export of files."""
