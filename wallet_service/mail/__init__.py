"""Mails: what one says, and the outbox that sends each once."""
