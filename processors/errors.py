"""Errors of the processors.

HooklineError
└── ProcessorError
    ├── TableStateError        a local database cannot be used; the message names the folder
    ├── HostStalledError       records wait and nothing moves; the process ends and is started again
    └── RecordRefusedError     one record cannot be decided; it becomes a recorded failure or a dead letter
"""

from infra.errors import HooklineError
from schemas.records import ErrorCode


class ProcessorError(HooklineError):
    """Base of the processors' own errors."""


class TableStateError(ProcessorError):
    """A local database cannot be used; the message names the folder and what to do."""


class HostStalledError(ProcessorError):
    """Records wait and nothing moves."""


class RecordRefusedError(ProcessorError):
    """One record cannot be decided. `code`, `message` and `path` become the delivery's error."""

    def __init__(self, code: ErrorCode, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
