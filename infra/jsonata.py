"""JSONata behind one seam: jlens (fast, bounded) first, jsonata-python as the second implementation and the oracle.

Both are given the body as JSON text and give the result as JSON text: None is "no value", `"null"` is null.
`$now()`, `$millis()` and `$random()` are fixed by the caller, so that the same delivery maps the same on every replay.

jlens looks at its clock between steps, every few hundred of them, never inside one. Its built-ins that compare every
pair are therefore bounded here (see `_GUARDS`). What is left takes, with a body of 1 MiB and a limit of 50 ms, up to
1.3 s where an expression repeats a function over the whole body (`[1..1000].$string($$)`), and 4 s where it deletes
40,000 names that the body gives (`$ ~> |$|{},names|`). $distinct of 80,000 small objects takes under 1 s. Above their
small case, $distinct and $keys take arguments of at most `result_bytes_max` as JSON;
$distinct also at most ARRAY_ITEMS_MAX items.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jlens
import orjson
from jsonata import jexception
from jsonata.jsonata import Jsonata
from jsonata.timebox import Timebox
from jsonata.utils import Utils

from infra.errors import HooklineError

ENGINES = ("jlens", "jsonata-python")
SOURCE_LENGTH_MAX = 65_536
#: What an expression may build on the way to its result: jlens looks at its clock between steps, not inside one.
ARRAY_ITEMS_MAX = 100_000
STRING_BYTES_MAX = 4_194_304
#: An expression without any of these cannot ask for the time or for chance; fixing both costs a fifth of a mapping.
_NAMES_OF_CLOCK_AND_CHANCE = ("now", "millis", "random", "shuffle", "eval")
PICTURE_LENGTH_MAX = 1_000
_FEW_ITEMS = 32
_BINDINGS = ("headers", "query", "delivery", "metadata", "client", "kafka")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Definitions that stand before an expression that names the function. Each leaves the small case to the built-in of
#: jlens, and with it every rule about signatures, single values and functions; a result of one item too, because only
#: the built-in knows whether it is to stay an array. (Functions among many items count as null.)
#: The expression is then evaluated as if in parentheses, as every field of a mapping stands anyway; JSONata takes
#: one more layer off a single result there: `$map([{"a": 1}], $keys)` is ["a"], in parentheses "a".
#: $distinct and $keys compare each with each: 20,000 objects took 5 s, the 87,000 names of a body of 1 MiB 13 s.
#: A picture of 65,000 characters took 5 s in $formatNumber, and one of more decimals than that made jlens panic.
_GUARDS = {
    "distinct": f"""
        $hookline_distinct := $distinct;
        $distinct := function($value)<x:x>{{
            $type($value) = "array" and $count($value) > {_FEW_ITEMS}
                ? ($found := $hookline_distinct_of_many($value);
                   $count($found) > 1 ? $found : $hookline_distinct($value))
                : $hookline_distinct($value)
        }};""",
    "keys": f"""
        $hookline_keys := $keys;
        $keys := function($value)<x-:a<s>>{{
            $type($value) = "array" or ($type($value) = "object" and $count($spread($value)) > {_FEW_ITEMS})
                ? ($found := $hookline_keys_of_many($value);
                   $count($found) > 1 ? $found : $hookline_keys($value))
                : $hookline_keys($value)
        }};""",
    "formatNumber": f"""
        $hookline_format_number := $formatNumber;
        $formatNumber := function($number, $picture, $options)<n-so?:s>{{
            $length($picture) > {PICTURE_LENGTH_MAX}
                ? $error("a picture is longer than {PICTURE_LENGTH_MAX} characters")
                : $hookline_format_number($number, $picture, $options)
        }};""",
    "formatInteger": f"""
        $hookline_format_integer := $formatInteger;
        $formatInteger := function($number, $picture)<n-s:s>{{
            $length($picture) > {PICTURE_LENGTH_MAX}
                ? $error("a picture is longer than {PICTURE_LENGTH_MAX} characters")
                : $hookline_format_integer($number, $picture)
        }};""",
}


class JsonataError(HooklineError):
    """An expression does not compile, or failed on an input. `position` counts characters of the expression."""

    def __init__(self, code: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.position = position


class InputError(HooklineError):
    """The input is not JSON."""


class Limits(NamedTuple):
    """Bounds of one evaluation. `result_bytes_max` counts the JSON text of the result."""

    timeout_seconds: float = 0.05
    depth_max: int = 200
    result_bytes_max: int = 1_048_576


class Expression(Protocol):
    """A compiled expression. `variables` are the names (without `$`) it reads from the bindings."""

    source: str
    variables: frozenset[str]

    def evaluate(self, body: str, bindings: Mapping[str, Any] | None, *, now_ms: int, seed: int) -> str | None:
        """The result as JSON text, None for no value. Raises JsonataError, or InputError when `body` is not JSON."""


def compile_expression(source: str, *, engine: str = "jlens", limits: Limits | None = None) -> Expression:
    """Compile `source` with one of ENGINES. Raises JsonataError with the position of the fault."""
    if len(source) > SOURCE_LENGTH_MAX:
        raise JsonataError("SOURCE_TOO_LONG", f"expression is longer than {SOURCE_LENGTH_MAX} characters")
    if engine == "jlens":
        return _Jlens(source, limits or Limits())
    return _JsonataPython(source, limits or Limits())


def paths_read(source: str) -> tuple[str, ...]:
    """What an expression reads, sorted, for either engine: `alert.id`, `$headers.subject`; `$` is the whole body.

    Found in the text alone, so what is computed (`$lookup(devices, name)`) counts as all of what it is looked up in.
    Raises JsonataError when `source` does not compile.
    """
    try:
        read: Mapping[str, Any] = jlens.Expression(source).reads()
    except jlens.JlensError as error:
        raise JsonataError(error.code, str(error), error.position) from error
    paths = set(_paths("", read["input"])) if "input" in read else set()
    for name, members in read["bindings"].items():
        paths.update(_paths(f"${name}", members))
    if read.get("everyBinding"):
        paths.update(f"${name}" for name in _BINDINGS)
    return tuple(sorted(paths))


def _paths(prefix: str, members: Any) -> Iterator[str]:
    """Paths of a tree of names; `True` and an empty object end one."""
    if not isinstance(members, dict) or not members:
        yield prefix or "$"
        return
    for name, below in members.items():
        step = name if _PLAIN_NAME.fullmatch(name) else f"`{name}`"
        yield from _paths(f"{prefix}.{step}" if prefix else step, below)


class _Jlens:
    __slots__ = ("_depth", "_evaluate", "_fixes", "_prelude_length", "_result_bytes", "_timeout", "source", "variables")

    def __init__(self, source: str, limits: Limits) -> None:
        try:
            expression = jlens.Expression(source)
        except jlens.JlensError as error:
            raise JsonataError(error.code, str(error), error.position) from error
        self.source = source
        self.variables = frozenset(_variables(expression))
        guarded, self._prelude_length = _guarded(expression)
        self._evaluate = guarded.evaluate_json
        self._timeout, self._depth, self._result_bytes = limits
        self._fixes = any(name in source for name in _NAMES_OF_CLOCK_AND_CHANCE)

    def evaluate(self, body: str, bindings: Mapping[str, Any] | None, *, now_ms: int, seed: int) -> str | None:
        try:
            return self._evaluate(
                body,
                bindings,  # type: ignore[arg-type]  # any mapping of JSON values
                timeout=self._timeout,
                max_depth=self._depth,
                max_result_size=self._result_bytes,
                max_array_length=ARRAY_ITEMS_MAX,
                max_string_length=STRING_BYTES_MAX,
                now=now_ms if self._fixes else None,
                seed=seed if self._fixes else None,
            )
        except jlens.JlensError as error:
            raise JsonataError(error.code, str(error), self._position(error.position)) from error
        except ValueError as error:
            raise InputError(str(error)) from error
        except BaseException as error:
            # A panic of Rust is no Exception and its class cannot be imported; it must not end the process.
            if type(error).__name__ != "PanicException":
                raise
            raise JsonataError("D1001", f"the engine failed: {error}") from error

    def _position(self, position: int | None) -> int | None:
        return None if position is None or position < self._prelude_length else position - self._prelude_length


def _guarded(expression: jlens.Expression) -> tuple[jlens.Expression, int]:
    """The expression behind the guards of what it names, and their length in characters."""
    source = expression.source
    prelude = "".join(guard for name, guard in _GUARDS.items() if name in source or "eval" in source)
    if not prelude:
        return expression, 0
    guarded = jlens.Expression(f"({prelude}{source}\n)")  # a comment may end the source
    guarded.register_function("hookline_distinct_of_many", _distinct)
    guarded.register_function("hookline_keys_of_many", _keys)
    return guarded, len(prelude) + 1


def _distinct(values: list[Any]) -> list[Any]:
    """The first of each value, in time linear in their size. Numbers come as doubles: 1 and 1.0 are one by then."""
    if len(values) > ARRAY_ITEMS_MAX:
        raise JsonataError("U1001", f"$distinct of more than {ARRAY_ITEMS_MAX} items")
    found: dict[bytes | str, Any] = {}
    for value in values:
        found.setdefault(_canonical(value), value)
    return list(found.values())


def _canonical(value: Any) -> bytes | str:
    """Equal for equal JSON values only."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        return json.dumps(value, sort_keys=True)


def _keys(value: Any) -> list[str]:
    """Names of an object, or of the objects of an array at any depth, each once, in order of appearance."""
    if isinstance(value, dict):
        return list(value)
    if isinstance(value, list):
        return list(dict.fromkeys(name for item in value for name in _keys(item)))
    return []


def _variables(expression: jlens.Expression) -> set[str]:
    read: Mapping[str, Any] = expression.reads()
    return set(_BINDINGS) if read.get("everyBinding") else set(read["bindings"])


class _FixedClock(Jsonata):  # type: ignore[misc]  # not typed
    """Its clock is what it was given, whatever `evaluate` sets."""

    fixed_ms: int = 0

    @property
    def timestamp(self) -> int:
        return self.fixed_ms

    @timestamp.setter
    def timestamp(self, _value: int) -> None:
        """Ignored."""


#: What jsonata-python raises by mistake where an expression or its input is at fault ("/" alone: IndexError).
_PYTHON_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError, re.error)


class _JsonataPython:
    """Compiles per call: the library counts its timeout from compilation and keeps a depth after an exception."""

    __slots__ = ("_limits", "source", "variables")

    def __init__(self, source: str, limits: Limits) -> None:
        self.source = source
        self._limits = limits
        self._compile()
        self.variables = frozenset(_variables(jlens.Expression(source)))

    def evaluate(self, body: str, bindings: Mapping[str, Any] | None, *, now_ms: int, seed: int) -> str | None:
        try:
            document = json.loads(body)
        except ValueError as error:
            raise InputError(str(error)) from error
        expression = self._compile()
        expression.fixed_ms = now_ms
        expression.set_output_convert_nulls(False)
        frame = expression.create_frame()
        Timebox(frame, int(self._limits.timeout_seconds * 1_000), self._limits.depth_max)
        for name, value in (bindings or {}).items():
            frame.bind(name, value)
        expression.register_lambda("random", random.Random(seed).random)  # noqa: S311  # reproducible on purpose
        try:
            return self._as_text(expression.evaluate(_with_nulls(document), frame))
        except jexception.JException as error:
            raise JsonataError(str(error.error), str(error), error.location) from error
        except _PYTHON_FAULTS as error:
            raise JsonataError("D1001", str(error)) from error

    def _compile(self) -> Any:
        try:
            return _FixedClock(self.source)
        except jexception.JException as error:
            raise JsonataError(str(error.error), str(error), error.location) from error
        except _PYTHON_FAULTS as error:
            raise JsonataError("S0500", f"the expression cannot be read: {error}") from error

    def _as_text(self, result: Any) -> str | None:
        if result is None:
            return None
        text = json.dumps(Utils.convert_nulls(result), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode("utf-8", "surrogatepass")) > self._limits.result_bytes_max:
            raise JsonataError("U1001", f"result is larger than {self._limits.result_bytes_max} bytes")
        return text


def _with_nulls(value: Any) -> Any:
    """JSON null as the library's own null, which it tells from "no value"."""
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {name: _with_nulls(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_nulls(member) for member in value]
    return value
