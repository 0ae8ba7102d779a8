"""Who may do what: people, their roles, passwords and sessions, API keys, limits, and the journal of changes."""
