"""Loyalty cards in Apple Wallet and Google Wallet."""

from wallet_service.app import create_app

__all__ = ["create_app"]
