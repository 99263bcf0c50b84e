"""Errors of the receiver. What a sender does wrong is an answer, not an error.

HooklineError (infra.errors)
└── IngressError
    └── AddressInUseError    the receiver's address cannot be bound; the message names it
"""

from infra.errors import HooklineError


class IngressError(HooklineError):
    """Base of the receiver's errors."""


class AddressInUseError(IngressError):
    """The receiver's address cannot be bound; the message names it."""
