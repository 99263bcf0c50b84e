"""A webhook's filters: which of its requests go on. Compiled once per version, evaluated per request. Pure.

A document is a group (`{"all": [...]}` or `{"any": [...]}`), nested as needed, of rules
(`{"field", "operator", "value", "enabled"}`) and expressions (`{"jsonata": EXPR, "enabled"}`).

- A field is a JSON path over the body (`infra.requests.paths`) or `headers.NAME`, the name in any case; a body's own
  member `headers` is `$.headers`. With `[*]` a rule holds when any value meets it, a `not_` rule when none does.
- A field that is missing fails every operator but not_equals, not_contains, not_in and not_exists; null is a value.
- A disabled rule is left out. A group without rules holds.
- An expression reads the body and the bindings of a mapping, and holds when JSONata's $boolean says so.
"""

from collections.abc import Callable, Mapping
from typing import Any

from infra.jsonata import JsonataError, Limits, compile_expression
from infra.requests.checks import (
    Check,
    FilteredRequest,
    StoppedBy,
    all_of,
    any_of,
    hold,
    holds_as_boolean,
    holds_as_rule,
    join_path,
)
from infra.requests.errors import FilterError
from infra.requests.headers import is_secret_name
from infra.requests.operators import OPERATORS, Meets, OperatorError
from infra.requests.paths import PathError, compile_path

__all__ = ["Filters", "StoppedBy", "compile_filters"]

DEPTH_MAX = 10
#: Groups, rules and expressions of one document together.
RULES_MAX = 200
EXPRESSIONS_MAX = 10
_HEADERS = "headers."
_RULE_MEMBERS = frozenset({"field", "operator", "value", "enabled"})
_EXPRESSION_MEMBERS = frozenset({"jsonata", "enabled"})
_MESSAGE_LENGTH_MAX = 500
_SHOWN_TEXT_MAX = 500
_SHOWN_ITEMS_MAX = 20


class Filters:
    """Compiled filters. Safe to share between threads: an evaluation keeps its state to itself."""

    __slots__ = ("_check", "variables")

    def __init__(self, check: Check, variables: frozenset[str]) -> None:
        self._check = check
        #: Names of the bindings that the document's expressions read.
        self.variables = variables

    def stopped_by(
        self,
        body: Any,
        headers: Mapping[str, str],
        *,
        now_ms: int,
        seed: int = 0,
        bindings: Mapping[str, Any] | None = None,
    ) -> StoppedBy | None:
        """The first rule that does not hold, None when the request goes on.

        `body` is the parsed body, `headers` are by lower-case name; the rest is for expressions (`infra.jsonata`).
        Raises RecordRefusedError MAPPING_FAILED where a rule cannot be decided.
        """
        return self._check(FilteredRequest(body, headers, bindings, now_ms, seed))


def compile_filters(filters: Mapping[str, Any], *, engine: str = "jlens", limits: Limits | None = None) -> Filters:
    """Compile a document. Raises FilterError with every problem."""
    compiler = _Compiler(engine, limits or Limits())
    check = compiler.node(filters, "", 1)
    if compiler.problems:
        raise FilterError(tuple(compiler.problems))
    return Filters(check or hold, frozenset(compiler.variables))


class _Compiler:
    def __init__(self, engine: str, limits: Limits) -> None:
        self.problems: list[tuple[str, str]] = []
        self.variables: set[str] = set()
        self._engine = engine
        self._limits = limits
        self._nodes = 0
        self._expressions = 0

    def node(self, node: Any, path: str, depth: int) -> Check | None:
        """The check of a group, rule or expression; None when it is disabled or wrong."""
        self._nodes += 1
        if self._nodes == RULES_MAX + 1:
            self._problem("", f"more than {RULES_MAX} rules and groups")
        if self._nodes > RULES_MAX:
            return None
        if not isinstance(node, Mapping):
            self._problem(path, "must be an object: a group (all or any), a rule, or jsonata")
            return None
        group = next((name for name in ("all", "any") if name in node), None)
        if group is not None:
            return self._group(node, group, path, depth)
        return self._expression(node, path) if "jsonata" in node else self._rule(node, path)

    def _group(self, node: Mapping[str, Any], name: str, path: str, depth: int) -> Check | None:
        members = node[name]
        self._refuse_others(node, frozenset({name}), path, "a group has one member, all or any")
        if depth > DEPTH_MAX:
            self._problem(path, f"groups are nested more than {DEPTH_MAX} deep")
            return None
        if not isinstance(members, list):
            self._problem(join_path(path, name), "must be an array of rules and groups")
            return None
        checks = [
            check
            for position, member in enumerate(members)
            if (check := self.node(member, join_path(path, f"{name}.{position}"), depth + 1)) is not None
        ]
        if not checks or self.problems:
            return hold
        return all_of(checks) if name == "all" else any_of(checks, StoppedBy(path, _shown(node)))

    def _expression(self, node: Mapping[str, Any], path: str) -> Check | None:
        enabled = self._is_enabled(node, path)
        self._refuse_others(node, _EXPRESSION_MEMBERS, path, "an expression has the members jsonata and enabled")
        source = node["jsonata"]
        at = join_path(path, "jsonata")
        self._expressions += 1
        if self._expressions > EXPRESSIONS_MAX:
            self._problem(at, f"more than {EXPRESSIONS_MAX} expressions")
            return None
        if not isinstance(source, str) or not source.strip():
            self._problem(at, "must be a JSONata expression")
            return None
        try:
            written = compile_expression(source, engine=self._engine, limits=self._limits)
            prefix = "$boolean((\n"
            expression = compile_expression(f"{prefix}{source}\n))", engine=self._engine, limits=self._limits)
        except JsonataError as error:
            where = "" if error.position is None else f" at character {error.position}"
            self._problem(at, f"does not compile{where}: {error.message} ({error.code})")
            return None
        if not enabled:
            return None
        self.variables |= written.variables
        return holds_as_boolean(expression, at, len(prefix), StoppedBy(path, _shown(node)))

    def _rule(self, node: Mapping[str, Any], path: str) -> Check | None:
        enabled = self._is_enabled(node, path)
        self._refuse_others(node, _RULE_MEMBERS, path, "a rule has the members field, operator, value and enabled")
        read = self._field(node.get("field"), join_path(path, "field"))
        name = node.get("operator")
        operator = OPERATORS.get(name) if isinstance(name, str) else None
        if operator is None:
            self._problem(join_path(path, "operator"), f"must be one of {', '.join(OPERATORS)}")
            return None
        meets = self._test(str(name), node, path)
        if read is None or (meets is None and operator.build is not None) or not enabled:
            return None
        return holds_as_rule(read, meets, operator.is_negative, StoppedBy(path, _shown(node)))

    def _test(self, name: str, node: Mapping[str, Any], path: str) -> Meets | None:
        at = join_path(path, "value")
        build = OPERATORS[name].build
        if build is None:
            if node.get("value") is not None:
                self._problem(at, f"{name} takes no value")
            return None
        if "value" not in node:
            self._problem(at, f"{name} needs a value")
            return None
        try:
            return build(node["value"])
        except OperatorError as error:
            self._problem(at, f"{name} {error}")
            return None

    def _field(self, field: Any, at: str) -> Callable[[FilteredRequest], Any] | None:
        if not isinstance(field, str) or not field:
            self._problem(at, "must be a path such as $.data.status, or headers.NAME")
            return None
        if field.lower().startswith(_HEADERS):
            return self._header(field[len(_HEADERS) :].lower(), at)
        try:
            path = compile_path(field)
        except PathError as error:
            self._problem(at, f"the path {error}")
            return None
        return lambda request: path.values(request.body)

    def _header(self, name: str, at: str) -> Callable[[FilteredRequest], Any] | None:
        if not name:
            self._problem(at, "headers. needs the name of a header")
            return None
        if is_secret_name(name):
            self._problem(at, f"the header {name} may hold a secret and is never kept; filters cannot read it")
            return None
        return lambda request: (request.headers[name],) if name in request.headers else ()

    def _is_enabled(self, node: Mapping[str, Any], path: str) -> bool:
        enabled = node.get("enabled", True)
        if not isinstance(enabled, bool):
            self._problem(join_path(path, "enabled"), "must be true or false")
        return enabled is not False

    def _refuse_others(self, node: Mapping[str, Any], known: frozenset[str], path: str, rule: str) -> None:
        for name in node:
            if name not in known:
                self._problem(join_path(path, str(name)), f"is not known here: {rule}")

    def _problem(self, path: str, message: str) -> None:
        self.problems.append((path, message[:_MESSAGE_LENGTH_MAX]))


def _shown(value: Any) -> Any:
    """A rule as the delivery log shows it: long texts and lists are cut."""
    if isinstance(value, str) and len(value) > _SHOWN_TEXT_MAX:
        return f"{value[:_SHOWN_TEXT_MAX]}…"
    if isinstance(value, list):
        return [_shown(item) for item in value[:_SHOWN_ITEMS_MAX]]
    return {name: _shown(member) for name, member in value.items()} if isinstance(value, Mapping) else value
