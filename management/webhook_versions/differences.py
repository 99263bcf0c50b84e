"""Where two JSON documents differ. Pure."""

from collections.abc import Iterator
from typing import Any

from infra.json_values import same_value
from management.webhook_versions.schemas import Difference


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """By dotted path, sorted by name at every level; lists and scalars are compared as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            below = f"{path}.{name}" if path else name
            yield from differences(before.get(name), after.get(name), below)
    elif not same_value(before, after):
        yield Difference(path=path, before=before, after=after)
