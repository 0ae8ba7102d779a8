"""Structured logs: a constant event name, the facts as fields. No personal data, no tokens, no payloads."""

from __future__ import annotations

import logging
import sys

import orjson
import structlog


def _dumped(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()


def configure_logs(style: str, *, level: str = "INFO") -> None:
    """Write to standard error, one line each: `json` for machines, `text` for people."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_dumped)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
