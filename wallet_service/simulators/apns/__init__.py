"""A simulator of APNs, as strict as the real one."""

from wallet_service.simulators.apns.devices import Push, PushService
from wallet_service.simulators.apns.remote import RemotePushService
from wallet_service.simulators.apns.rules import Verdict
from wallet_service.simulators.apns.simulator import Announcement, ApnsSimulator

__all__ = ["Announcement", "ApnsSimulator", "Push", "PushService", "RemotePushService", "Verdict"]
