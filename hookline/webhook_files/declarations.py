"""Declared webhooks: what files say, where their secrets are, and what a webhook in force would look like in one.

A file is YAML: `webhooks:` with one entry per webhook, whose members are those of the API's create call. `slug` says
which webhook is meant. A secret is never in the file: `secret: {env: NAME}` or `{file: PATH}` says where it is.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hookline.errors import UsageError
from hookline.webhook_files.documents import read_yaml
from management.inbound_webhooks.schemas import READ_ONLY
from management.inbound_webhooks.secret_forms import SECRET_NAMES

Json = dict[str, Any]
NOT_IN_FILE = "a secret does not stand in the file: use {env: NAME} or {file: PATH}"
_ENDINGS = (".yaml", ".yml")


class Declaration(NamedTuple):
    """One webhook of a file in `folder`; `members` hold where its secret is, not the secret."""

    slug: str
    members: Json
    folder: Path

    @property
    def auth_config(self) -> Json:
        """What it says of the proof; empty where that is nothing, or nothing that could be meant."""
        auth = self.members.get("auth_config")
        return auth if isinstance(auth, dict) else {}

    @property
    def secret_sources(self) -> Json:
        """Member of `auth_config` → where its value is: what goes by a secret's name, or is written as one."""
        auth = self.auth_config
        return {name: value for name, value in auth.items() if name in SECRET_NAMES or isinstance(value, dict)}

    @property
    def without_secrets(self) -> Json:
        """The members but for those."""
        sources = self.secret_sources
        if not sources:
            return self.members
        auth = {name: value for name, value in self.members["auth_config"].items() if name not in sources}
        return {**self.members, "auth_config": auth}

    def secrets(self) -> dict[str, str]:
        """Their values. Raises UsageError for one that is not where it should be."""
        return {
            name: _secret(source, f"{self.slug}: auth_config.{name}", self.folder)
            for name, source in self.secret_sources.items()
        }


def read_webhook_files(paths: Sequence[Path]) -> list[Declaration]:
    """The webhooks of files, and of every YAML file in folders. Raises UsageError naming file and member."""
    declared: dict[str, Path] = {}
    found: list[Declaration] = []
    for path in _files(paths):
        for declaration in _read(path):
            if declaration.slug in declared:
                also = "" if declared[declaration.slug] == path else f", also in {declared[declaration.slug]}"
                raise UsageError(f"{path}: slug {declaration.slug} stands twice{also}")
            declared[declaration.slug] = path
            found.append(declaration)
    return found


def declaration_of(shown: Json) -> Json:
    """What GET shows, as a file would declare it; `version` last, so that it is easily left out."""
    members = {name: value for name, value in shown.items() if name not in READ_ONLY}
    return {**members, "version": shown["version"]}


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        files = sorted(file for file in path.iterdir() if file.suffix in _ENDINGS)
        if not files:
            raise UsageError(f"{path} holds no file that ends with {' or '.join(_ENDINGS)}")
        yield from files


def _read(path: Path) -> Iterator[Declaration]:
    content = read_yaml(path)
    if not isinstance(content, dict) or set(content) != {"webhooks"} or not isinstance(content["webhooks"], list):
        raise UsageError(f"{path}: one member `webhooks` with a list is needed")
    for number, entry in enumerate(content["webhooks"]):
        place = f"{path}: webhooks.{number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("slug"), str):
            raise UsageError(f"{place} needs a slug that is text")
        refused = sorted((READ_ONLY - {"version"}) & entry.keys())
        if refused:
            raise UsageError(f"{place}: {', '.join(refused)} cannot be set")
        declaration = Declaration(entry["slug"], entry, path.parent)
        for name, source in declaration.secret_sources.items():
            _require_source(source, f"{place}.auth_config.{name}")
        yield declaration


def _require_source(source: Any, where: str) -> None:
    if not (isinstance(source, dict) and len(source) == 1 and {"env", "file"} >= source.keys()) or not all(
        isinstance(name, str) for name in source.values()
    ):
        raise UsageError(f"{where}: {NOT_IN_FILE}")


def _secret(source: dict[str, str], where: str, folder: Path) -> str:
    [(kind, name)] = source.items()
    if kind == "env":
        found = os.environ.get(name)
        if not found:
            raise UsageError(f"{where}: the environment has no {name}")
        return found
    try:
        return (folder / name).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"{where}: {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: {name} is not UTF-8") from error
