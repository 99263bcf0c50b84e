"""Errors of the processors.

HooklineError
└── ProcessorError
    └── TableStateError        a local database cannot be used; the message names the folder

A record that cannot be decided is refused with infra.requests.errors.RecordRefusedError.
"""

from infra.errors import HooklineError


class ProcessorError(HooklineError):
    """Base of the processors' own errors."""


class TableStateError(ProcessorError):
    """A local database cannot be used; the message names the folder and what to do."""
