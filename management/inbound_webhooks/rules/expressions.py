"""JSONata in settings: does it compile, where not, what does it read, and is it a constant?"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from infra.jsonata import InputError, JsonataError, compile_expression, paths_read
from infra.requests.errors import FilterError
from infra.requests.filters import compile_filters
from infra.requests.mapping import FieldMapping, mapping_limits
from infra.settings import ProcessorSettings
from management.inbound_webhooks.rules.problems import Problems, joined

#: An expression that names none of these, and reads nothing, has one value for ever.
_CHANGING = re.compile(r"\$(?:now|millis|random|shuffle|eval)\b")
_FIXED_MS = 0
_FIXED_SEED = 0


class NoValue(NamedTuple):
    """The expression gives nothing."""


class ExpressionRules:
    """Compiles with the engine and the limits that the pipeline has."""

    def __init__(self, settings: ProcessorSettings) -> None:
        self._engine = settings.mapping_engine
        self._limits = mapping_limits(settings)

    def check(self, path: str, source: str, problems: Problems) -> bool:
        """Whether it compiles; a problem with the position where not."""
        try:
            compile_expression(source, engine=self._engine, limits=self._limits)
        except JsonataError as error:
            problems.add(path, f"{path.rpartition('.')[2]} does not compile: {in_words(error)}")
            return False
        return True

    def check_key(self, path: str, source: str, problems: Problems) -> None:
        """An expression that receivers evaluate, where there is nothing but the body."""
        if not self.check(path, source, problems):
            return
        beside = sorted(read for read in paths_read(source) if read.startswith("$") and read != "$")
        if beside:
            problems.add(path, f"{path} reads {', '.join(beside)}, but only the body is there when it is evaluated")

    def check_together(self, path: str, field_mapping: Mapping[str, str], problems: Problems) -> None:
        """All fields at once, as the pipeline evaluates them."""
        try:
            FieldMapping(field_mapping, engine=self._engine, limits=self._limits)
        except JsonataError as error:
            problems.add(path, f"the mapping as a whole does not compile: {in_words(error)}")

    def check_filters(self, path: str, filters: Mapping[str, Any], problems: Problems) -> None:
        """Every rule and expression of a filter document."""
        try:
            compile_filters(filters, engine=self._engine, limits=self._limits)
        except FilterError as error:
            for within, message in error.problems:
                where = joined(path, within)
                problems.add(where, f"{where}: {message}")

    def constant(self, source: str) -> Any:
        """The value of an expression that reads nothing; NoValue() where it gives none.

        Raises JsonataError when it fails, LookupError when it is no constant.
        """
        if paths_read(source) or _CHANGING.search(source):
            raise LookupError(source)
        return self.evaluate(source, "null")

    def evaluate(self, source: str, body: str) -> Any:
        """The value for a body (JSON text) without bindings; NoValue() where there is none. Raises JsonataError."""
        expression = compile_expression(source, engine=self._engine, limits=self._limits)
        try:
            text = expression.evaluate(body, {}, now_ms=_FIXED_MS, seed=_FIXED_SEED)
            return NoValue() if text is None else orjson.loads(text)
        except (InputError, orjson.JSONDecodeError) as error:
            raise JsonataError("D1001", f"the value is no JSON: {error}") from error


def in_words(error: JsonataError) -> str:
    """Cause, place and code."""
    where = "" if error.position is None else f" at character {error.position}"
    return f"{error.message}{where} ({error.code})"
