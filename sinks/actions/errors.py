"""Errors of the action sink.

HooklineError
├── MalformedRecordError     a record that is no action request; it goes to the dead letters
├── CommandRaceError         another writer was first; the same command, run again, will see what it wrote
└── BatchContentionError     a batch and another transaction waited for each other; it has to let go of all it holds
"""

from infra.errors import HooklineError


class MalformedRecordError(HooklineError):
    """A record that is no action request; the message names the member at fault, never its value."""


class CommandRaceError(HooklineError):
    """Another writer was first; the same command, run again, will see what it wrote."""


class BatchContentionError(HooklineError):
    """A batch and another transaction waited for each other; it has to let go of all it holds, and start anew."""
