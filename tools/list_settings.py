"""docs/settings.md, made from infra/settings.py. `--write` renews the file; without it the text goes to stdout."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from infra.settings import Settings  # noqa: E402  # the repository's own, before any installed one

PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Every setting is an environment variable, read once at the start of a process. Units stand at the end of each name.
A value out of bounds, or a misspelt member of a section, stops the process with a message that names it.
`hookline up` and `hookline demo` choose addresses, keys and folders themselves and pass them on to the roles.

This page is made by `tools/list_settings.py --write`; a test holds it to the code.
"""
COLUMNS = "| variable | default | bounds |\n|---|---|---|\n"


def page() -> str:
    """The whole page as Markdown."""
    nested = dict(sections(Settings))
    parts = [_table("General", Settings, "HOOKLINE_", without=set(nested))]
    parts += [_table(name, model, f"HOOKLINE_{name.upper()}__", without=set()) for name, model in nested.items()]
    return "\n".join([HEAD, *parts])


def sections(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Members that are groups of settings."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def variables() -> Iterator[str]:
    """Every environment variable that is read."""
    nested = dict(sections(Settings))
    yield from (f"HOOKLINE_{name.upper()}" for name in Settings.model_fields if name not in nested)
    for name, model in nested.items():
        yield from (f"HOOKLINE_{name.upper()}__{member.upper()}" for member in model.model_fields)


def _table(title: str, model: type[BaseModel], prefix: str, *, without: set[str]) -> str:
    text = inspect.cleandoc(model.__doc__ or "").replace("\n\n", "\n")
    rows = "".join(
        f"| `{prefix}{name.upper()}` | {_default(field)} | {_bounds(field)} |\n"
        for name, field in model.model_fields.items()
        if name not in without
    )
    return f"## {title.capitalize()}\n\n{text}\n\n{COLUMNS}{rows}"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, int) and value >= 100_000:
        return f"`{value:,}`".replace(",", "_")
    return f"`{value}`"


def _bounds(field: FieldInfo) -> str:
    return ", ".join(filter(None, map(_bound, field.metadata)))


def _bound(constraint: object) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [f"{sign} {getattr(constraint, name)}" for name, sign in signs.items() if hasattr(constraint, name)]
    pattern = getattr(constraint, "pattern", None)
    if pattern is not None:
        found += [", ".join(re.sub(r"[\^$()]", "", pattern).split("|"))]
    return ", ".join(found)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), "utf-8")
    else:
        print(page(), end="")
