"""A simulator of the Google Wallet API and its save links, as strict as the real ones."""

from wallet_service.simulators.google.callbacks import SentCallback
from wallet_service.simulators.google.holders import ObjectChange, RemoteGoogle, WalletLink
from wallet_service.simulators.google.resources import GoogleNotification
from wallet_service.simulators.google.simulator import GoogleSimulator

__all__ = ["GoogleNotification", "GoogleSimulator", "ObjectChange", "RemoteGoogle", "SentCallback", "WalletLink"]
