"""Errors of what a webhook makes of a request.

HooklineError (infra.errors)
└── RecordRefusedError     one record cannot be decided; it becomes a recorded failure or a dead letter
"""

from infra.errors import HooklineError
from schemas.records import ErrorCode


class RecordRefusedError(HooklineError):
    """One record cannot be decided. `code`, `message` and `path` become the delivery's error."""

    def __init__(self, code: ErrorCode, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
