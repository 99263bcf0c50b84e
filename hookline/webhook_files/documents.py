"""YAML as these files use it: JSON's values and nothing else.

Plain `no`, `on`, `12:30` and `2026-01-01` are text, as they are in YAML 1.2, and not what YAML 1.1 makes of them: a
filter on the country code `NO` must not become one on `false`. A name that stands twice is refused, not overwritten.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from hookline.errors import UsageError

_TAG = "tag:yaml.org,2002:"
_JSON_FLOAT = re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$")
_FOREIGN_LINE_END = re.compile("[\x85\u2028\u2029]")
_MERGE_AND_NULL = (f"{_TAG}merge", f"{_TAG}null")
_QUOTED_LENGTH_MAX = 80


class _Reader(yaml.SafeLoader):
    """Reads JSON's values."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for name_node, _ in node.value:
            if name_node.tag == f"{_TAG}merge":
                continue
            name = self.construct_object(name_node, deep=True)
            fault = "a name must be text: put it in quotes" if not isinstance(name, str) else None
            fault = f"{name} stands twice" if fault is None and name in seen else fault
            if fault is not None:
                raise yaml.constructor.ConstructorError(None, None, fault, name_node.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_Reader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [resolver for resolver in resolvers if resolver[0] in _MERGE_AND_NULL])
}
_Reader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Reader.add_implicit_resolver(f"{_TAG}int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_Reader.add_implicit_resolver(f"{_TAG}float", _JSON_FLOAT, list("-0123456789"))


class _Writer(yaml.SafeDumper):
    """Quotes text that any version of YAML would take for something else; long text stands as a block."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text or len(text) > _QUOTED_LENGTH_MAX else None
    if _FOREIGN_LINE_END.search(text):  # read back as a blank unless it is escaped
        style = '"'
    return writer.represent_scalar(f"{_TAG}str", text, style=style)


_Writer.add_representer(str, _write_text)
_Writer.add_implicit_resolver(f"{_TAG}float", _JSON_FLOAT, list("-0123456789"))


def read_yaml(path: Path) -> Any:
    """What the file says. Raises UsageError, which names the line where it can."""
    try:
        content = yaml.load(path.read_text("utf-8"), _Reader)  # noqa: S506  # a SafeLoader
        json.dumps(content, allow_nan=False)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML as it is meant here: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} holds what JSON cannot say: {error}") from error
    return content


def yaml_text(content: Any) -> str:
    """JSON values as `read_yaml` reads them back, in their order."""
    return yaml.dump(content, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=sys.maxsize)
