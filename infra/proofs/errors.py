"""Errors of proofs.

HooklineError
└── ProofError            a scheme that no request can be held to: the key is no key, a field is missing
    └── UnknownPresetError  the preset is not installed here
"""

from infra.errors import HooklineError


class ProofError(HooklineError, ValueError):
    """A scheme that no request can be held to; the message names the member, never its value."""


class UnknownPresetError(ProofError):
    """The preset is not installed here."""
