"""The invoice actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import ActionDefinition

ACTIONS: tuple[ActionDefinition, ...] = ()
