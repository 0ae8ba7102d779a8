"""The Prometheus metrics. A lost metric never fails the work, and no metric drives it."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

ANNOUNCEMENTS = Counter("wallet_announcements_total", "Announcements by outcome", ["kind", "outcome", "reason"])
EVENTS = Counter("wallet_events_total", "Events taken in, by what became of them", ["status"])
PASSES_SERVED = Counter("wallet_passes_served_total", "Pass downloads", ["by", "status"])
DEVICE_REPORTS = Counter("wallet_device_reports_total", "Messages that phones wrote to the log endpoint")
CERTIFICATE_DAYS_LEFT = Gauge(
    "wallet_certificate_days_left", "Whole days until a programme's Apple certificate ends", ["program"]
)
UNREADABLE_KEYS = Gauge(
    "wallet_keys_unreadable", "1 where a programme has a key that WALLET_SECRET_KEY does not open", ["program"]
)
STOPPED = Gauge("wallet_channel_stopped", "1 where a channel has stopped; /readyz says why", ["kind", "program"])
OFFERS_NOT_COMPOSED = Counter(
    "wallet_offers_not_composed_total", "Cards composed without an offer or a store that cannot be shown; see the log"
)
COMPOSING_FAILED = Counter("wallet_cards_not_composed_total", "Cards that could not be composed; the log says why")
GOOGLE_AUDITS = Counter("wallet_google_audits_total", "Daily audits: whole, interrupted or failed", ["program", "how"])
GOOGLE_AUDIT_FINDINGS = Counter(
    "wallet_google_audit_findings_total", "Objects at Google that were not as we believed", ["program", "finding"]
)
DUE_OPEN = Gauge("wallet_deliveries_open", "Far ends with a pending announcement", ["kind", "program"])
DUE_OLDEST = Gauge(
    "wallet_deliveries_oldest_due_seconds", "How long the oldest due row has waited", ["kind", "program"]
)
PARKED = Gauge("wallet_deliveries_refused", "Far ends that wait for a person", ["kind", "program"])
LEDGER_DIFFERENCES = Gauge(
    "wallet_ledger_differences", "What the last audit found that the points ledger contradicts; 0 is right", ["program"]
)
STALE = Gauge("wallet_phones_stale", "Phones that were told often enough and never came", ["kind", "program"])
