"""A webhook's field mapping as one expression; evaluated field by field only to name the culprit of a failure."""

import json
from collections.abc import Mapping
from typing import Any

from infra.jsonata import Expression, InputError, JsonataError, Limits, compile_expression
from infra.requests.errors import RecordRefusedError
from infra.settings import ProcessorSettings
from schemas.records import ErrorCode

_MESSAGE_LENGTH_MAX = 500


def mapping_limits(settings: ProcessorSettings) -> Limits:
    """The bounds of one evaluation, wherever a mapping is evaluated or tried."""
    return Limits(
        settings.mapping_timeout_milliseconds / 1_000, settings.mapping_depth_max, settings.mapping_result_bytes_max
    )


class FieldMapping:
    """Target fields and their expressions, compiled once per webhook version. Safe to share between threads."""

    def __init__(self, field_mapping: Mapping[str, str], *, engine: str, limits: Limits) -> None:
        self._fields = {
            field: compile_expression(source, engine=engine, limits=limits) for field, source in field_mapping.items()
        }
        combined = ", ".join(f"{json.dumps(field)}: ({source})" for field, source in field_mapping.items())
        self._combined: Expression = compile_expression(f"{{{combined}}}", engine=engine, limits=limits)

    @property
    def variables(self) -> frozenset[str]:
        """Names of the bindings that are read."""
        return self._combined.variables

    def evaluate(self, body: str, bindings: Mapping[str, Any] | None, *, now_ms: int, seed: int) -> str:
        """Mapped fields as the JSON text of one object; a field without value is absent.

        Raises RecordRefusedError: MAPPING_FAILED naming the field, its expression and the cause, or INVALID_JSON.
        """
        try:
            text = self._combined.evaluate(body, bindings, now_ms=now_ms, seed=seed)
        except InputError as error:
            raise RecordRefusedError(ErrorCode.INVALID_JSON, f"the body is not JSON: {error}") from error
        except JsonataError as error:
            raise self._name_culprit(body, bindings, now_ms, seed, error) from error
        return text if text is not None else "{}"

    def _name_culprit(
        self, body: str, bindings: Mapping[str, Any] | None, now_ms: int, seed: int, combined_error: JsonataError
    ) -> RecordRefusedError:
        for field, expression in self._fields.items():
            try:
                expression.evaluate(body, bindings, now_ms=now_ms, seed=seed)
            except JsonataError as error:
                where = "" if error.position is None else f" at character {error.position}"
                message = f"{field}: {expression.source!r} failed{where}: {error.message} ({error.code})"
                path = f"field_mapping.{field}"
                return RecordRefusedError(ErrorCode.MAPPING_FAILED, message[:_MESSAGE_LENGTH_MAX], path)
        message = f"the mapping as a whole failed: {combined_error.message} ({combined_error.code})"
        return RecordRefusedError(ErrorCode.MAPPING_FAILED, message[:_MESSAGE_LENGTH_MAX], "field_mapping")
