"""Another body for a request that is replayed: as it is given, and what the receiver would make of it."""

from typing import NamedTuple

from management.delivery_replays.schemas import DeliveryReplayInput
from management.errors import Problem, ValidationFailedError
from management.replaying.changes import Operation, PatchError, patched, shown_operations
from management.replaying.places import FoundRecord
from management.replaying.reworking import Reworking
from management.webhook_tests.records import WorkedOut
from schemas.bodies import is_form
from schemas.encoding import record_bytes
from schemas.webhooks import WebhookConfig

_JSON_CONTENT = "application/json"


class Changed(NamedTuple):
    """Another body, what was worked out of it, and the operations that made it where they may be kept."""

    kind: str
    body: bytes
    worked_out: WorkedOut
    operations: list[Operation] | None


def is_changed(given: DeliveryReplayInput) -> bool:
    """Whether another body is given; null is one."""
    return "body" in given.model_fields_set or given.body_base64 is not None or given.patch is not None


def changed_body(
    reworking: Reworking, config: WebhookConfig, found: FoundRecord, given: DeliveryReplayInput
) -> Changed:
    """The other body that is given for a request. Raises ValidationFailedError, and ConflictError as `reworking`."""
    content_type = found.facts.content_type
    operations: list[Operation] | None = None
    if given.patch is not None:
        kind, wanted = "patch", [one.model_dump(by_alias=True, exclude_unset=True) for one in given.patch]
        try:
            body = patched(found.value, content_type, wanted, bytes_max=config.max_body_bytes)
        except PatchError as error:
            raise ValidationFailedError([Problem(error.path, str(error))]) from error
        operations = shown_operations(wanted, config.redact_paths, (found.value, body))
    elif given.body_base64 is not None:
        kind, body = "body_base64", given.body_base64
    else:
        kind, body = "body", record_bytes(given.body)
        content_type = _JSON_CONTENT if is_form(content_type) or not content_type else content_type
    if len(body) > config.max_body_bytes:
        message = f"has {len(body)} bytes, the webhook takes {config.max_body_bytes} at most"
        raise ValidationFailedError([Problem(kind, message)])
    worked_out = reworking.work_out(found, config, body, content_type)
    if worked_out.facts.invalid_json:
        raise ValidationFailedError([Problem(kind, f"is no body of the type {content_type or _JSON_CONTENT}")])
    return Changed("patch" if kind == "patch" else "body", body, worked_out, operations)
