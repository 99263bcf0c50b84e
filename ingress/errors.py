"""Errors of the receiver. What a sender does wrong is an answer, not an error.

HooklineError (infra.errors)
└── IngressError
    ├── AddressInUseError    the receiver's address cannot be bound; the message names it
    └── ExpressionError      a key expression does not compile or did not end within its bounds
"""

from infra.errors import HooklineError


class IngressError(HooklineError):
    """Base of the receiver's errors."""


class AddressInUseError(IngressError):
    """The receiver's address cannot be bound; the message names it."""


class ExpressionError(IngressError):
    """A key expression does not compile or did not end within its bounds. Never holds any of the body."""
