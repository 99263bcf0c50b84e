"""Errors of the command, and the exit code each of them ends it with.

HooklineError
└── CommandError
    ├── WorkFailedError      what was asked for was tried and did not work out      exit code 1
    ├── UsageError           the command line or a setting asks for what cannot be  exit code 2
    ├── StartInterruptedError a stack was asked to stop before it was ready          exit code 3
    ├── NotRunningError      no stack runs on this data folder, or it has ended     exit code 3
    └── NotReadyError        a part did not become ready within its time            exit code 3
"""

from enum import IntEnum

from hookline.embedded.errors import EmbeddedError
from infra.errors import (
    ClickHouseUnavailableError,
    HooklineError,
    KafkaUnavailableError,
    PostgresUnavailableError,
    SettingsError,
)


class ExitCode(IntEnum):
    """What every command ends with."""

    OK = 0
    WORK_FAILED = 1
    USAGE = 2
    NOT_READY = 3
    ENVIRONMENT_UNUSABLE = 4


class CommandError(HooklineError):
    """Base of the command's own errors; the text is fit to be shown to a person."""

    exit_code = ExitCode.WORK_FAILED


class WorkFailedError(CommandError):
    """What was asked for was tried and did not work out."""


class UsageError(CommandError):
    """The command line or a setting asks for what cannot be."""

    exit_code = ExitCode.USAGE


class NotRunningError(CommandError):
    """No stack runs on this data folder, or it has ended."""

    exit_code = ExitCode.NOT_READY


class StartInterruptedError(CommandError):
    """A stack was asked to stop before it was ready; what had been started is stopped."""

    exit_code = ExitCode.NOT_READY


class NotReadyError(CommandError):
    """A part did not become ready within its time."""

    exit_code = ExitCode.NOT_READY


_UNREACHABLE = (KafkaUnavailableError, PostgresUnavailableError, ClickHouseUnavailableError)


def exit_code_of(error: HooklineError | EmbeddedError) -> ExitCode:
    """The exit code that belongs to an error of ours."""
    if isinstance(error, EmbeddedError):
        return ExitCode.ENVIRONMENT_UNUSABLE
    if isinstance(error, CommandError):
        return error.exit_code
    if isinstance(error, _UNREACHABLE):
        return ExitCode.NOT_READY
    return ExitCode.USAGE if isinstance(error, SettingsError) else ExitCode.WORK_FAILED
