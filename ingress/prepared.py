"""A webhook made ready for the receiver: everything that can be worked out before a request is."""

from infra.errors import HooklineError
from infra.jsonata import JsonataError
from infra.log import get_logger
from infra.proofs.errors import UnknownPresetError
from infra.proofs.requests import Secret
from infra.proofs.verify import Presets
from infra.requests.headers import STORED_OF_NOBODY
from infra.requests.keys import KeyOf, build_key, build_ordering_key, key_compiler
from infra.topics import request_topic
from infra.webhooks import Webhook, WebhookTable
from ingress.core.leases import LeasedBucket
from ingress.core.limits import Bucket, TokenBucket
from ingress.proof import Proof
from ingress.rate_store import RateStore
from schemas.webhooks import WebhookConfig

_log = get_logger(__name__)


class Prepared:
    """One version of one webhook, and its token bucket.

    Without a `proof` nobody can be told from a stranger here, for the reason `fault`.
    """

    __slots__ = (
        "accepted",
        "body_bytes_max",
        "bucket",
        "fault",
        "is_active",
        "key_of",
        "ordering_key_of",
        "priority",
        "proof",
        "redact_paths",
        "stored",
        "tenant_id",
        "topic",
        "version",
        "webhook",
        "webhook_id",
    )

    def __init__(
        self,
        webhook: Webhook,
        config: WebhookConfig,
        bucket: Bucket,
        *,
        proof: Proof | str,
        key_of: KeyOf | None,
        ordering_key_of: KeyOf | None,
    ) -> None:
        self.webhook = webhook
        self.bucket = bucket
        self.key_of = key_of
        self.ordering_key_of = ordering_key_of
        self.is_active = config.is_active
        self.tenant_id = config.tenant_id
        self.webhook_id = config.webhook_id
        self.version = config.version
        self.body_bytes_max = config.max_body_bytes
        self.priority = config.priority
        self.topic = request_topic(config.priority)
        self.proof: Proof | None = None if isinstance(proof, str) else proof
        self.fault: str | None = proof if isinstance(proof, str) else None
        self.stored = STORED_OF_NOBODY if self.proof is None else self.proof.stored
        self.redact_paths = () if self.proof is None else self.proof.redact_paths
        self.accepted = None if self.proof is None else self.proof.accepted


class PreparedWebhooks:
    """Looks a receiver URL up in the live table; what is prepared is kept until the webhook changes."""

    def __init__(
        self, table: WebhookTable, presets: Presets, *, key_timeout_seconds: float, rate_store: RateStore | None
    ) -> None:
        self._table = table
        self._rate_store = rate_store
        self._presets = presets
        self._compile_key = key_compiler(timeout_seconds=key_timeout_seconds)
        self._by_id: dict[str, Prepared] = {}

    @property
    def ready(self) -> bool:
        """Whether the table has been read; before that nobody can be told from a stranger."""
        return self._table.ready

    def find(self, tenant_slug: str, slug: str, now_us: int) -> Prepared | None:
        """The webhook as it is in force now, active or not."""
        webhook = self._table.find(tenant_slug, slug)
        if webhook is None:
            return None
        prepared = self._by_id.get(webhook.webhook_id)
        if prepared is None or prepared.webhook is not webhook:
            prepared = self._prepare(webhook, prepared, now_us)
            self._by_id[webhook.webhook_id] = prepared
        return prepared

    def forget_deleted(self) -> None:
        """Let go of webhooks that are no longer in the table."""
        if len(self._by_id) > len(self._table):
            self._by_id = {
                webhook_id: prepared
                for webhook_id, prepared in self._by_id.items()
                if self._table.by_id(prepared.tenant_id, webhook_id) is not None
            }

    def _prepare(self, webhook: Webhook, before: Prepared | None, now_us: int) -> Prepared:
        config = webhook.config
        bucket = self._bucket(config, None if before is None else before.bucket, now_us)
        try:
            key_of = build_key(config.idempotency_source, self._compile_key)
            ordering_key_of = build_ordering_key(config.ordering_key, self._compile_key)
        except JsonataError as error:
            # Refusing the sender's events for a slip in our configuration would lose them: taken without the key.
            _log.error(
                "ingress.expression.refused", webhook_id=config.webhook_id, version=config.version, error=str(error)
            )
            key_of, ordering_key_of = None, None
        proof = self._proof(webhook, config)
        return Prepared(webhook, config, bucket, proof=proof, key_of=key_of, ordering_key_of=ordering_key_of)

    def _bucket(self, config: WebhookConfig, before: Bucket | None, now_us: int) -> Bucket:
        """The webhook's rate, which goes on from what it was."""
        limit = config.rate_limit_per_minute
        if self._rate_store is not None:
            leased = before if isinstance(before, LeasedBucket) else None
            return self._rate_store.bucket(config.tenant_id, config.webhook_id, limit, leased, now_us)
        if not isinstance(before, TokenBucket):
            return TokenBucket(limit, now_us)
        return before if before.limit == limit else before.resized(limit, now_us)

    def _proof(self, webhook: Webhook, config: WebhookConfig) -> Proof | str:
        """The proof, or why there is none: an older release does not know a newer one's presets."""
        secrets = [Secret(secret.value, secret.valid_until_us) for secret in webhook.secrets]
        try:
            return Proof(config, secrets, self._presets)
        except ValueError as error:
            fault = "unknown_preset" if isinstance(error, UnknownPresetError) else "unusable_proof"
            _log.error(
                "ingress.proof.refused",
                webhook_id=config.webhook_id,
                version=config.version,
                reason=fault,
                error=str(error) if isinstance(error, HooklineError) else type(error).__name__,
            )
            return fault
