"""Webhooks in files: read, compared with what is in force, and what would have to be done.

A file is YAML: `webhooks:` with one entry per webhook, whose members are those of the API's create call. `slug` says
which webhook is meant. A secret is never in the file: `secret: {env: NAME}` or `{file: PATH}` says where it is.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from hookline.errors import UsageError

Json = dict[str, Any]
#: Members of `auth_config` that hold a secret: they can be set, but never be read to be compared.
SECRET_MEMBERS = ("secret", "token", "password", "key")
#: What GET shows beside what can be set.
READ_ONLY = frozenset(
    {"id", "tenant_id", "receiver_url", "version", "sample_payload", "has_sample_payload", "sample_captured_at"}
    | {"sample_capture_expires_at", "auto_disabled_at", "last_triggered_at", "trigger_count", "error_rate"}
    | {"created_by", "created_at", "updated_at", "secret_rotated_at", "previous_secret_valid_until", "warnings"}
)
_ABSENT = object()


class Difference(NamedTuple):
    """A member that is declared otherwise than it is in force; None where there is none."""

    path: str
    before: Any
    after: Any


class Step(NamedTuple):
    """What to do for one webhook. `differences` are those of an update."""

    kind: Literal["create", "update", "delete", "none"]
    slug: str
    declared: Json
    differences: tuple[Difference, ...] = ()


def read_webhook_file(path: Path) -> list[Json]:
    """The declared webhooks, without their secrets' values. Raises UsageError naming file and member."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict) or set(content) != {"webhooks"} or not isinstance(content["webhooks"], list):
        raise UsageError(f"{path}: one member `webhooks` with a list is needed")
    declared: list[Json] = []
    for number, entry in enumerate(content["webhooks"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("slug"), str):
            raise UsageError(f"{path}: webhooks.{number} needs a slug")
        if any(entry["slug"] == other["slug"] for other in declared):
            raise UsageError(f"{path}: webhooks.{number}: slug {entry['slug']} stands twice")
        unknown = sorted(READ_ONLY & entry.keys())
        if unknown:
            raise UsageError(f"{path}: webhooks.{number}: {', '.join(unknown)} cannot be set")
        declared.append(entry)
    return declared


def with_secrets(declared: Json, folder: Path) -> Json:
    """A copy whose secrets have their values; files are relative to `folder`. Raises UsageError."""
    auth = declared.get("auth_config")
    if not isinstance(auth, dict):
        return declared
    resolved = {
        name: _secret(value, f"{declared['slug']}: auth_config.{name}", folder) if name in SECRET_MEMBERS else value
        for name, value in auth.items()
    }
    return {**declared, "auth_config": resolved}


def without_secrets(declared: Json) -> Json:
    """A copy that says nothing about secrets."""
    auth = declared.get("auth_config")
    if not isinstance(auth, dict):
        return declared
    return {**declared, "auth_config": {name: value for name, value in auth.items() if name not in SECRET_MEMBERS}}


def declaration_of(shown: Json) -> Json:
    """What GET shows, as a file would declare it."""
    return {name: value for name, value in shown.items() if name not in READ_ONLY and value is not None}


def completed(declared: Json, shown: Json) -> Json:
    """What to PUT: `declared`, and within its parts what it does not mention as it is in force.

    Where the kind of a part changes (another scheme of proof, another action), nothing of the old one is kept.
    """
    whole = dict(declared)
    for part, kinds in (("auth_config", ("type",)), ("handler_config", ("type", "action"))):
        mine, theirs = declared.get(part), shown.get(part)
        outer = part.replace("_config", "_type")
        if not isinstance(mine, dict) or not isinstance(theirs, dict):
            continue
        same_kind = all(mine.get(kind, theirs.get(kind)) == theirs.get(kind) for kind in kinds)
        if same_kind and declared.get(outer, shown.get(outer)) == shown.get(outer):
            whole[part] = {**theirs, **mine}
    return whole


def plan(declared: Sequence[Json], in_force: Mapping[str, Json], *, prune: bool) -> list[Step]:
    """What to do, in the order of the file; deletions last. `in_force` is what GET shows, by slug."""
    steps: list[Step] = []
    for entry in declared:
        shown = in_force.get(entry["slug"])
        if shown is None:
            steps.append(Step("create", entry["slug"], entry))
            continue
        differences = tuple(_differences(without_secrets(entry), shown, ""))
        steps.append(Step("update" if differences else "none", entry["slug"], entry, differences))
    if prune:
        wanted = {entry["slug"] for entry in declared}
        steps += [Step("delete", slug, {}) for slug in sorted(in_force.keys() - wanted)]
    return steps


def _differences(declared: Any, shown: Any, path: str) -> Iterator[Difference]:
    """Members the declaration has and sees otherwise; whatever it does not mention stays as it is.

    A mapping of fields is compared as a whole: a field left out of it is meant to be gone.
    """
    whole = path.endswith("field_mapping") or path in ("filters", "metadata")
    if not whole and isinstance(declared, dict) and isinstance(shown, dict):
        for name, value in declared.items():
            yield from _differences(value, shown.get(name, _ABSENT), f"{path}.{name}" if path else name)
    elif declared != shown and not (declared is None and shown is _ABSENT):
        yield Difference(path, None if shown is _ABSENT else shown, declared)


def _secret(value: Any, where: str, folder: Path) -> str:
    if isinstance(value, dict) and len(value) == 1:
        [(source, name)] = value.items()
        if source == "env" and isinstance(name, str):
            found = os.environ.get(name)
            if not found:
                raise UsageError(f"{where}: the environment has no {name}")
            return found
        if source == "file" and isinstance(name, str):
            try:
                return (folder / name).read_text().rstrip("\r\n")
            except OSError as error:
                raise UsageError(f"{where}: {name}: {error.strerror}") from error
    raise UsageError(f"{where}: a secret does not stand in the file: use {{env: NAME}} or {{file: PATH}}")
