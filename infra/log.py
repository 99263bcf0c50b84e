"""Structured logs: one canonical line per unit of work. Never a secret, never a body."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(*, role: str, log_format: str = "json", level: str = "info") -> None:
    """Set up logging for this process; call once at its start. Lines go to standard error."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            _Role(role),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
    level_of_libraries = max(_LEVELS[level], logging.WARNING)
    logging.basicConfig(stream=sys.stderr, level=level_of_libraries, format="%(levelname)s %(message)s")


class _StandardError:
    """Writes lines to whatever standard error is at that moment: a stream kept from the start may be closed by then."""

    def msg(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)  # noqa: T201  # this is the one place that prints logs

    log = debug = info = warning = warn = error = critical = exception = fatal = msg


class _Role:
    """Adds the process's role to every line, from whichever thread it comes."""

    def __init__(self, role: str) -> None:
        self._role = role

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["role"] = self._role
        return event


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger
