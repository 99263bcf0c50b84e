"""Errors of what a webhook makes of a request.

HooklineError (infra.errors)
├── RecordRefusedError     one record cannot be decided; it becomes a recorded failure or a dead letter
├── FilterError            filters that cannot be used; it holds every problem with its path
└── SchemaError            a JSON Schema that cannot be used; the message says where and why
"""

from collections.abc import Sequence

from infra.errors import HooklineError
from schemas.records import ErrorCode


class RecordRefusedError(HooklineError):
    """One record cannot be decided. `code`, `message` and `path` become the delivery's error.

    `problems` are (path, message) each, where the message joins several.
    """

    def __init__(
        self, code: ErrorCode, message: str, path: str | None = None, *, problems: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.problems = tuple(problems)


class FilterError(HooklineError):
    """Filters that cannot be used. `problems` are (path, message); paths are relative to the filter document."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{path or 'filters'}: {message}" for path, message in problems))
        self.problems = problems


class SchemaError(HooklineError):
    """A JSON Schema that cannot be used; the message says where and why."""
