"""What compiled filters are made of: checks of one request, each None or what stopped it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from infra.jsonata import Expression, InputError, JsonataError
from infra.requests.errors import RecordRefusedError
from infra.requests.operators import Meets, TooLargeError
from infra.requests.paths import TooManyValuesError
from schemas.encoding import record_bytes
from schemas.records import ErrorCode

PATH_PREFIX = "filters"
_MESSAGE_LENGTH_MAX = 500


class StoppedBy(NamedTuple):
    """What did not hold: a rule, an expression, or an `any` group none of whose rules held.

    `path` is relative to the document (`all.0`; empty for the document itself). Long texts and lists of `rule` are cut.
    """

    path: str
    rule: dict[str, Any]


class FilteredRequest:
    """What the checks of one evaluation read."""

    __slots__ = ("_body_text", "bindings", "body", "headers", "now_ms", "seed")

    def __init__(
        self, body: Any, headers: Mapping[str, str], bindings: Mapping[str, Any] | None, now_ms: int, seed: int
    ) -> None:
        self.body = body
        self.headers = headers
        self.bindings = bindings
        self.now_ms = now_ms
        self.seed = seed
        self._body_text: str | None = None

    def body_text(self) -> str:
        if self._body_text is None:
            self._body_text = record_bytes(self.body).decode()
        return self._body_text


Check = Callable[[FilteredRequest], StoppedBy | None]


def hold(_: FilteredRequest) -> StoppedBy | None:
    """Let everything through."""
    return None


def all_of(checks: list[Check]) -> Check:
    def check(request: FilteredRequest) -> StoppedBy | None:
        for one in checks:
            stopped = one(request)
            if stopped is not None:
                return stopped
        return None

    return check


def any_of(checks: list[Check], stopped: StoppedBy) -> Check:
    def check(request: FilteredRequest) -> StoppedBy | None:
        return None if any(one(request) is None for one in checks) else stopped

    return check


def holds_as_rule(
    read: Callable[[FilteredRequest], Any], meets: Meets | None, is_negative: bool, stopped: StoppedBy
) -> Check:
    def check(request: FilteredRequest) -> StoppedBy | None:
        try:
            values = read(request)
            holds = bool(values) if meets is None else any(meets(value) for value in values)
        except (TooManyValuesError, TooLargeError) as error:
            raise _undecidable(join_path(stopped.path, "field"), f"{stopped.rule['field']} {error}") from error
        return None if holds is not is_negative else stopped

    return check


def holds_as_boolean(expression: Expression, at: str, prefix_length: int, stopped: StoppedBy) -> Check:
    def check(request: FilteredRequest) -> StoppedBy | None:
        try:
            text = expression.evaluate(request.body_text(), request.bindings, now_ms=request.now_ms, seed=request.seed)
        except JsonataError as error:
            position = None if error.position is None else error.position - prefix_length
            where = "" if position is None or position < 0 else f" at character {position}"
            raise _undecidable(at, f"the expression failed{where}: {error.message} ({error.code})") from error
        except InputError as error:
            raise RecordRefusedError(ErrorCode.INVALID_JSON, f"the body is not JSON: {error}") from error
        return None if text == "true" else stopped

    return check


def _undecidable(path: str, message: str) -> RecordRefusedError:
    full = join_path(PATH_PREFIX, path)
    return RecordRefusedError(ErrorCode.MAPPING_FAILED, f"{full}: {message}"[:_MESSAGE_LENGTH_MAX], full)


def join_path(path: str, more: str) -> str:
    return f"{path}.{more}" if path and more else path or more
