"""Errors of the action sink.

HooklineError
├── MalformedRecordError     a record that is no action request; it goes to the dead letters
└── CommandRaceError         another writer was first; the same command, run again, will see what it wrote
"""

from infra.errors import HooklineError


class MalformedRecordError(HooklineError):
    """A record that is no action request; the message names the member at fault, never its value."""


class CommandRaceError(HooklineError):
    """Another writer was first; the same command, run again, will see what it wrote."""
