"""A JSON path over the body, compiled to an expression of ClickHouse. Pure.

The expression is made of function names and of numbered placeholders; whatever the caller wrote is bound to those.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from infra.requests.paths import JsonPath, Step

_MEMBERS = "if(JSONType({value}) = 'Array', JSONExtractArrayRaw({value}), JSONExtractKeysAndValuesRaw({value}).2)"


class PathExpression(NamedTuple):
    """`text`: an array of all values the path leads to, each as JSON text; `parameters` are bound to it."""

    text: str
    parameters: dict[str, Any]


def compile_body_path(path: JsonPath, document: str) -> PathExpression:
    """`document` is an expression of JSON text; what is no JSON has no values.

    As in filters a name leads into objects only, an index into arrays only, `[*]` to every member of either.
    """
    compiler = _Compiler()
    return PathExpression(compiler.values(document, path.steps), compiler.parameters)


class _Compiler:
    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self._depth = 0

    def values(self, source: str, steps: Sequence[Step]) -> str:
        """An array of the values that `steps` lead to from `source`."""
        plain = list(steps)[: steps.index(None)] if None in steps else list(steps)
        value = self._value(source, plain)
        if len(plain) == len(steps):
            return f"arrayFilter(value -> notEmpty(value), [{value}])"
        members = _MEMBERS.replace("{value}", value)
        rest = steps[len(plain) + 1 :]
        if not rest:
            return members
        self._depth += 1
        member = f"member_{self._depth}"
        return f"arrayFlatten(arrayMap({member} -> {self.values(member, rest)}, {members}))"

    def _value(self, source: str, steps: Sequence[Step]) -> str:
        """The JSON text of one value, '' where a step leads nowhere."""
        placeholders = [self._bound(step) for step in steps]
        whole = f"JSONExtractRaw({', '.join([source, *placeholders])})"
        # ClickHouse takes an index for the place of an object's member, too.
        guards = [
            f"JSONType({', '.join([source, *placeholders[:number]])}) = 'Array'"
            for number, step in enumerate(steps)
            if isinstance(step, int)
        ]
        return f"if({' AND '.join(guards)}, {whole}, '')" if guards else whole

    def _bound(self, step: Step) -> str:
        name = f"body_path_{len(self.parameters)}"
        if isinstance(step, int):
            self.parameters[name] = step + 1 if step >= 0 else step  # ClickHouse counts from 1
            return f"{{{name}:Int64}}"
        self.parameters[name] = step
        return f"{{{name}:String}}"
