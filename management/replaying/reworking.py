"""What the receiver would make of a request that is replayed: its keys, with the configuration of now."""

from collections.abc import Mapping

from infra.proofs.errors import UnknownPresetError
from infra.requests.bindings import origin_received_at_us
from management.errors import ConflictError
from management.replaying.places import FoundRecord
from management.replaying.records import origin_id_of
from management.webhook_tests.records import TriedRequest, WorkedOut, work_out
from schemas.keys import request_key
from schemas.presets import Preset
from schemas.webhooks import WebhookConfig


class Reworking:
    """Safe to share between threads. Raises ConflictError where the webhook's preset is not installed any more."""

    def __init__(self, presets: Mapping[str, Preset], key_timeout_seconds: float) -> None:
        self._presets = presets
        self._key_timeout_seconds = key_timeout_seconds

    def work_out(self, found: FoundRecord, config: WebhookConfig, body: bytes, content_type: str | None) -> WorkedOut:
        """Facts and keys of the request with another body, as of when its origin came."""
        facts = found.facts
        request = TriedRequest(
            method=facts.method,
            headers=facts.headers | ({"content-type": content_type} if content_type else {}),
            query=facts.query,
            content_type=content_type or "",
            body=body,
            source_ip=facts.source_ip,
        )
        try:
            return work_out(
                config,
                request,
                self._presets,
                at_us=origin_received_at_us(found.headers),
                timeout_seconds=self._key_timeout_seconds,
            )
        except UnknownPresetError as error:
            raise ConflictError(f"{error}: the webhook takes no request until it has another one") from error

    def keyed(self, found: FoundRecord, config: WebhookConfig) -> FoundRecord:
        """A record from the log with the key that keeps its order: the log has no ordering keys."""
        if config.ordering_key is None:
            return found
        worked_out = self.work_out(found, config, found.value, found.facts.content_type)
        source_key = worked_out.ordering_key or found.headers.dedupe_key or origin_id_of(found.headers)
        return found._replace(key=request_key(config.tenant_id, config.webhook_id, source_key))
