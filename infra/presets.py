"""The senders that Hookline knows: the files of the package `presets`, and those of a folder of the operator's."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import yaml
from pydantic import ValidationError

from infra.errors import PresetError
from schemas.presets import Preset

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SUFFIX = ".yaml"


@cache
def load_presets(folder: Path | None = None) -> Mapping[str, Preset]:
    """By name. A file of `folder` replaces the package's of the same name; it is read once per process.

    Raises PresetError naming file and member.
    """
    presets: dict[str, Preset] = {}
    for origin, text in _files(folder):
        preset = _parse(origin, text)
        if preset.name != Path(origin).stem:
            raise PresetError(f"{origin}: name is {preset.name!r}, but has to be the file's")
        presets[preset.name] = preset
    return MappingProxyType(dict(sorted(presets.items())))


def _files(folder: Path | None) -> Iterator[tuple[str, str]]:
    for entry in resources.files("presets").iterdir():
        if entry.name.endswith(_SUFFIX):
            yield entry.name, entry.read_text(encoding="utf-8")
    if folder is None:
        return
    try:
        for path in sorted(folder.iterdir()):
            if path.name.endswith(_SUFFIX):
                yield str(path), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"{folder}: {error}") from error


def _parse(origin: str, text: str) -> Preset:
    try:
        # The safe loader, in C where there is one: ten times quicker, and every role reads these at its start.
        document = yaml.load(text, Loader=_Loader)  # noqa: S506
        return Preset.model_validate(document)
    except yaml.YAMLError as error:
        raise PresetError(f"{origin}: not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(map(str, first["loc"])) or "the file"
        raise PresetError(f"{origin}: {path}: {first['msg']}") from error
