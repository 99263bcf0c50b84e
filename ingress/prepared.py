"""A webhook made ready for the receiver: everything that can be worked out before a request is."""

from infra.jsonata import JsonataError
from infra.log import get_logger
from infra.proofs.requests import Secret
from infra.proofs.verify import Presets, build_verifier
from infra.requests.headers import stored_of
from infra.requests.keys import KeyOf, build_key, build_ordering_key, key_compiler
from infra.topics import request_topic
from infra.webhooks import Webhook, WebhookTable
from ingress.core.limits import TokenBucket
from schemas.webhooks import WebhookConfig

_log = get_logger(__name__)


class Prepared:
    """One version of one webhook, and its token bucket."""

    __slots__ = (
        "body_bytes_max",
        "bucket",
        "is_active",
        "key_of",
        "ordering_key_of",
        "stored",
        "tenant_id",
        "topic",
        "verify",
        "version",
        "webhook",
        "webhook_id",
    )

    def __init__(
        self,
        webhook: Webhook,
        config: WebhookConfig,
        bucket: TokenBucket,
        key_of: KeyOf | None,
        ordering_key_of: KeyOf | None,
        presets: Presets,
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
        self.topic = request_topic(config.priority)
        self.stored = stored_of(config.auth_config, presets)
        secrets = [Secret(secret.value, secret.valid_until_us) for secret in webhook.secrets]
        self.verify = build_verifier(config.auth_config, secrets, presets)


class PreparedWebhooks:
    """Looks a receiver URL up in the live table; what is prepared is kept until the webhook changes."""

    def __init__(self, table: WebhookTable, presets: Presets, *, key_timeout_seconds: float) -> None:
        self._table = table
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
        limit = config.rate_limit_per_minute
        if before is None:
            bucket = TokenBucket(limit, now_us)
        else:
            bucket = before.bucket if before.bucket.limit == limit else before.bucket.resized(limit, now_us)
        try:
            key_of = build_key(config.idempotency_source, self._compile_key)
            ordering_key_of = build_ordering_key(config.ordering_key, self._compile_key)
        except JsonataError as error:
            # Refusing the sender's events for a slip in our configuration would lose them: taken without the key.
            _log.error(
                "ingress.expression.refused", webhook_id=config.webhook_id, version=config.version, error=str(error)
            )
            key_of, ordering_key_of = None, None
        return Prepared(webhook, config, bucket, key_of, ordering_key_of, self._presets)
