"""Filters of deliveries as conditions in ClickHouse: named blocks of queries.sql, and what they are bound to. Pure."""

import re
from collections.abc import Iterator, Mapping, Set
from datetime import timedelta
from typing import Any

from infra.queries import put_together
from infra.requests.paths import compile_path
from management.deliveries.body_paths import compile_body_path
from management.deliveries.filters import DeliveryExport, DeliveryFilter
from management.errors import Problem, ValidationFailedError
from management.log_reader import Candidates, Conditions, plain_conditions
from management.moments import Moment

#: A search in bodies of all webhooks may go over so much time.
SEARCHED_DAYS_MAX = 31
#: Filters that are bound as they are, each to the parameter of its own name in the block of its own name.
PLAIN = (
    *("dispatch_status", "auth_status", "error_code", "priority", "handler", "action", "entity_type", "entity_id"),
    *("duration_ms_min", "duration_ms_max", "idempotency_key", "duplicate_of", "replayed_from", "trace_id"),
    "replay_id",
    *("body_contains", "webhook_id", "source_ip", "is_replay", "is_test"),
)
#: What few deliveries have: of the request's row, and of the outcome's. What is written together fits together.
_OF_REQUESTS = ("idempotency_key", "trace_id", "replay_id", "replayed_from")
_OF_OUTCOMES = ("entity_id",)
#: Where a body is, or what is left of one, and its text there: to search for a text, and to read as JSON.
_HELD = (("held_bodies", "text_of_body", "text_of_body"), ("held_heads", "text_of_head", "whole_text_of_head"))
#: Operators that no body fits in which the value is nowhere.
_OF_TEXT = ("equals", "contains", "starts_with", "ends_with")
_WITHOUT_VALUE = ("exists", "not_exists")
_NEGATION = "not_"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS = ("true", "false", "null")

Wanted = DeliveryFilter | DeliveryExport


def conditions_of(wanted: Wanted, queries: Mapping[str, str], *, now: Moment) -> Conditions:
    """Conditions of all but the time window. Raises ValidationFailedError for filters that do not go together."""
    _check(wanted, now)
    plain = plain_conditions(wanted, PLAIN, queries)
    texts, parameters = [plain.text], dict(plain.parameters)
    if wanted.body_path is not None:
        at_path = _at_path(wanted, wanted.body_path, queries, document=queries["searched_body"])
        texts.append(at_path.text)
        parameters |= {**at_path.parameters, **_compared(wanted.body_value or "")}
    text = "\n    ".join(one for one in texts if one)
    given = plain.parameters.keys()
    of_keys = given <= {"webhook_id"} and wanted.body_path is None
    return Conditions(text, parameters, tuple(_candidates(wanted, given, queries)), of_keys=of_keys)


def _candidates(wanted: Wanted, given: Set[str], queries: Mapping[str, str]) -> Iterator[Candidates]:
    """By what few deliveries have: of the request, which is one row, else of the outcome, which is another."""
    if _searches(wanted):
        for held, text, whole in _HELD:
            parts = {"searched_text": queries[text], "searched_body": queries[whole]}
            conditions = plain_conditions(wanted, (*_OF_REQUESTS, "webhook_id", "body_contains"), queries, **parts).text
            if wanted.body_path is not None:
                conditions += _of_path_in_row(wanted, wanted.body_path, queries, document=queries[whole])
            yield Candidates(queries[held], conditions)
        return
    for names in (_OF_REQUESTS, _OF_OUTCOMES):
        if not given.isdisjoint(names):
            yield Candidates("", plain_conditions(wanted, (*names, "webhook_id"), queries).text)
            return


def _of_path_in_row(wanted: Wanted, path: str, queries: Mapping[str, str], *, document: str) -> str:
    """The test of the path, behind a quicker one: a text that is there without escapes is there as it is."""
    texts = [_at_path(wanted, path, queries, document=document).text]
    if wanted.body_op in _OF_TEXT and wanted.body_value and not _NUMBER.fullmatch(wanted.body_value):
        texts.insert(0, put_together(queries, "has_text", searched_body=document))
    return "\n    " + "\n    ".join(texts)


def _at_path(wanted: Wanted, path: str, queries: Mapping[str, str], *, document: str) -> Conditions:
    operator = wanted.body_op.removeprefix(_NEGATION)
    block = "where_body_path_not" if wanted.body_op.startswith(_NEGATION) else "where_body_path"
    values = compile_body_path(compile_path(path), document)
    parts = {"test": queries[f"found_{operator}"], "values": values.text, "searched_body": document}
    return Conditions(put_together(queries, block, **parts), values.parameters)


def _compared(value: str) -> dict[str, Any]:
    """A value as text, as ClickHouse writes that JSON scalar ('': it is none), and as a number (nan: it is none)."""
    as_json = value if value in _WORDS else ""
    number = "nan"
    if _NUMBER.fullmatch(value):
        found = float(value)
        number = repr(found)
        as_json = value if value.lstrip("-").isdecimal() else str(int(found)) if found.is_integer() else ""
    return {"body_value": value, "body_json": as_json, "body_number": number}


def _check(wanted: Wanted, now: Moment) -> None:
    problems: list[Problem] = []
    if wanted.body_path is None:
        given = sorted({"body_op", "body_value"} & wanted.model_fields_set)
        problems += [Problem(name, "is of the value at a path: body_path is missing") for name in given]
    elif (wanted.body_value is None) != (wanted.body_op in _WITHOUT_VALUE):
        missing = wanted.body_value is None
        problems.append(
            Problem(
                "body_value", f"{wanted.body_op} {'needs a value to compare with' if missing else 'takes no value'}"
            )
        )
    low, high = wanted.duration_ms_min, wanted.duration_ms_max
    if low is not None and high is not None and low > high:
        problems.append(Problem("duration_ms_max", "is less than duration_ms_min"))
    if _searches(wanted) and not wanted.webhook_id and not _is_short(wanted, now):
        message = (
            "a search in bodies needs webhook_id, or since and until (now, unless given) that are no more than "
            f"{SEARCHED_DAYS_MAX} days apart"
        )
        problems.append(Problem("since", message))
    if problems:
        raise ValidationFailedError(problems)


def _searches(wanted: Wanted) -> bool:
    return wanted.body_contains is not None or wanted.body_path is not None


def _is_short(wanted: Wanted, now: Moment) -> bool:
    if wanted.since is None:
        return False
    return (wanted.until or now) - wanted.since <= timedelta(days=SEARCHED_DAYS_MAX)
