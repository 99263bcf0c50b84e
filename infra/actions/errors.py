"""Errors of the action registry.

HooklineError
└── ActionRegistryError      actions cannot be loaded; the message lists every fault and the packages at fault
"""

from infra.errors import HooklineError


class ActionRegistryError(HooklineError):
    """Actions cannot be loaded; the message lists every fault, each with the package it comes from."""
