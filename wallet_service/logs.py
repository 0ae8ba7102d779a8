"""Structured logs: a constant event name, the facts as fields. No personal data, no tokens, no payloads.

What other libraries log goes the same way: one line each, in the same form.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\([^()]*\)=\([^()]*\)")
_LONG = re.compile(r"[\w.+/=@-]{16,}")
_LONGEST_WORDS = 200
_style = "json"


def _dumped(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()


def told_without_values(error: BaseException) -> str:
    """An exception's class and its first line without what it quotes: values of requests and rows are not for logs."""
    words = next(iter(str(error).splitlines()), "")
    words = _LONG.sub("…", _QUOTED.sub("…", words))[:_LONGEST_WORDS]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _traced(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """`exc_info` becomes `exception`: where it was raised and of what class, also of its causes, without any value."""
    given: ExcInfo | BaseException | bool | None = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = _chain(error)
    return event


def _chain(error: BaseException) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)
        found.append(
            {
                "error": told_without_values(error),
                "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            }
        )
        following = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if following is None:
            break
        error = following
    return found


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _traced,
]


def _foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A line of another library: its logger, its sentence as it was written, without what was put into it."""
    record: logging.LogRecord = event["_record"]
    event["event"], event["logger"] = "library", record.name
    event["words"] = record.msg if isinstance(record.msg, str) and record.args else _LONG.sub("…", record.getMessage())
    return event


def _renderer(style: str) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(serializer=_dumped)
    # a traceback without the values of local variables: they may be anybody's
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


class LibraryFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats what other libraries log as one line of ours."""

    def __init__(self, style: str | None = None) -> None:
        """Args: `style`: as in `configure_logs`; None: as that was called."""
        remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        super().__init__(
            processors=[_foreign, remove, _renderer(style or _style)],
            foreign_pre_chain=_SHARED,
            use_get_message=False,
            keep_exc_info=False,
        )

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = super().format(record)
        return line.replace("\n", " ") if self._is_json else line

    @property
    def _is_json(self) -> bool:
        return _style == "json"


def server_log_config() -> dict[str, Any]:
    """The logging of the web server's own processes, for `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": "wallet_service.logs.LibraryFormatter", "style": _style}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "ours", "stream": "ext://sys.stderr"}},
        "loggers": {
            name: {"handlers": ["stderr"], "level": "INFO", "propagate": False}
            for name in ("_granian", "granian.access")
        },
    }


def configure_logs(style: str, *, level: str = "INFO") -> None:
    """Write to standard error, one line each: `json` for machines, `text` for people. What other libraries log is
    written in the same form.
    """
    global _style
    _style = style
    structlog.configure(
        processors=[*_SHARED, _renderer(style)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = _ToStandardError()
    handler.setFormatter(LibraryFormatter(style))
    root = logging.getLogger()
    for known in [one for one in root.handlers if isinstance(one, _ToStandardError)]:
        root.removeHandler(known)
    root.addHandler(handler)


def log_uncaught() -> None:
    """Write warnings, and what nobody has caught in any thread, as one line each: for a process of its own."""
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_failed
    sys.excepthook = _process_failed


class _ToStandardError(logging.Handler):
    """Writes to what standard error is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        sys.stderr.write(f"{self.format(record)}\n")


def _thread_failed(given: threading.ExceptHookArgs) -> None:
    name = given.thread.name if given.thread is not None else ""
    structlog.get_logger().error("thread_failed", thread=name, exc_info=given.exc_value or given.exc_type)


def _process_failed(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    structlog.get_logger().error("process_failed", exc_info=error)
