"""The receiver's steps in the order of the contract: find, verify, rate limit, parse, dedupe key, produce.

The body cap comes before, while the body is read (connection.py); the answer comes after, with the acknowledgement.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.addresses import Network, client_address
from infra.clock import now_us
from infra.ids import RandomDigits, format_uuid7
from infra.jsonata import InputError, JsonataError
from infra.proofs.requests import SignedRequest
from infra.proofs.verify import verify_nobody
from infra.requests.keys import KeyOf
from ingress.acks import AckBridge, Answerable, Pending
from ingress.core import answers
from ingress.core.addresses import FailedProofs
from ingress.core.answers import Answer
from ingress.core.facts import request_facts
from ingress.core.http1 import Head
from ingress.pace import Refused
from ingress.prepared import Prepared, PreparedWebhooks
from ingress.rejections import Rejected, RejectionLog
from ingress.tally import Tally
from ingress.tracing import RANDOM_DIGITS, Trace
from schemas.bodies import BodyError, parse_body
from schemas.headers import DeliveryHeaders, encode
from schemas.keys import request_key

INBOUND = "/api/inbound/"
BODY_BYTES_MAX_UNKNOWN = 1_048_576
# Of the delivery id, drawn together with those of the trace context.
_ID_DIGITS = 20
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_HANDSHAKE_METHODS = frozenset({"GET", "HEAD"})


class Exchange:
    """One request on its way: its head, whose it is, and when its head was whole (microseconds since the epoch)."""

    __slots__ = ("head", "prepared", "received_at_us", "source_ip")

    def __init__(self, head: Head, prepared: Prepared | None, source_ip: str, received_at_us: int) -> None:
        self.head = head
        self.prepared = prepared
        self.source_ip = source_ip
        self.received_at_us = received_at_us

    @property
    def body_bytes_max(self) -> int:
        return BODY_BYTES_MAX_UNKNOWN if self.prepared is None else self.prepared.body_bytes_max


class Receiver:
    """Decides on whole requests. Stateless but for the parts it was given; one per worker, on the loop's thread."""

    def __init__(
        self,
        webhooks: PreparedWebhooks,
        bridge: AckBridge,
        rejections: RejectionLog,
        tally: Tally,
        trace: Trace,
        *,
        trusted_proxies: Sequence[Network],
        failed_proofs_per_minute: int,
    ) -> None:
        self.webhooks = webhooks
        self.bridge = bridge
        self.rejections = rejections
        self.tally = tally
        self.trace = trace
        self.failed_proofs = FailedProofs(failed_proofs_per_minute)
        self._trusted_proxies = trusted_proxies
        self._random = RandomDigits(RANDOM_DIGITS + _ID_DIGITS)

    def open(self, head: Head, peer: str) -> Exchange:
        """Find the webhook behind the URL. An unknown one goes on as None, so that it looks like any other."""
        at_us = now_us()
        source_ip = peer
        if self._trusted_proxies:
            source_ip = client_address(peer, head.headers.get("x-forwarded-for"), self._trusted_proxies)
        tenant_slug, slash, slug = head.path[len(INBOUND) :].partition("/")
        prepared = self.webhooks.find(tenant_slug, slug, at_us) if slash else None
        return Exchange(head, prepared, source_ip, at_us)

    def refuse_method(self, exchange: Exchange) -> Answer | None:
        """The answer to a method that carries no delivery, or None."""
        method = exchange.head.method
        if method in _BODY_METHODS or method in _HANDSHAKE_METHODS:
            return None
        return self.reject(exchange, "method_not_allowed", "method_not_allowed", answers.METHOD_NOT_ALLOWED)

    def reject(self, exchange: Exchange, outcome: str, reason: str, answer: Answer) -> Answer:
        """Count and write down a rejection; returns `answer`."""
        prepared = exchange.prepared
        known = None if prepared is None else prepared.stored
        self.rejections.record(
            Rejected(
                exchange.head,
                exchange.source_ip,
                reason,
                None if prepared is None else prepared.tenant_id,
                None if prepared is None else prepared.webhook_id,
                exchange.received_at_us,
            ),
            known,
        )
        self.answered(outcome, exchange.received_at_us)
        return answer

    def count_malformed(self, outcome: str) -> None:
        """A request that could not be read far enough to know whose it is."""
        self.tally.answered(outcome, 0.0)

    def answered(self, outcome: str, received_at_us: int) -> None:
        self.tally.answered(outcome, (now_us() - received_at_us) / 1e6)

    def receive(self, exchange: Exchange, body: bytes, waiter: Answerable) -> Answer | Refused | Pending:
        """Take a whole request. An Answer at once, or a Pending that will be acknowledged to `waiter`.

        A Refused is for whoever has proved nothing and must not learn why.
        """
        head, prepared, at_us = exchange.head, exchange.prepared, exchange.received_at_us
        if not self.webhooks.ready:
            # A known sender would be told that its proof is wrong, and many never try again after that.
            return self.reject(exchange, "unavailable", "starting", answers.UNAVAILABLE)
        wait_seconds = self.failed_proofs.wait_seconds(exchange.source_ip, at_us)
        if wait_seconds and not self._was_proven(exchange):
            return self._hold_back(exchange, wait_seconds, "address_limited")
        signed = SignedRequest(head.method, head.path, head.query, head.headers, body, exchange.source_ip)
        verify = prepared.verify if prepared is not None and prepared.is_active else verify_nobody
        reason = verify(signed, at_us)
        if prepared is None:
            return self._refuse(exchange, wait_seconds, "unknown_webhook")
        if reason is not None or not prepared.is_active:
            return self._refuse(exchange, wait_seconds, reason if reason and prepared.is_active else "disabled_webhook")
        self.failed_proofs.succeeded(exchange.source_ip, prepared.webhook_id, at_us)
        if head.method in _HANDSHAKE_METHODS:
            return Refused(self.reject(exchange, "unauthorized", "no_handshake_rule", answers.UNAUTHORIZED))
        if not prepared.bucket.take(at_us):
            answer = answers.rate_limited(*prepared.bucket.refusal())
            return self.reject(exchange, "rate_limited", "rate_limited", answer)
        return self._produce(exchange, prepared, body, waiter)

    def _was_proven(self, exchange: Exchange) -> bool:
        """Whether an address that is held back may try here all the same."""
        prepared = exchange.prepared
        if prepared is None or not prepared.is_active:
            return False
        return self.failed_proofs.is_proven(exchange.source_ip, prepared.webhook_id, exchange.received_at_us)

    def _refuse(self, exchange: Exchange, wait_seconds: int, reason: str) -> Refused:
        """Nothing was proved. Where the address is held back the answer is the one that unknown webhooks give then."""
        if wait_seconds:
            return self._hold_back(exchange, wait_seconds, reason)
        self.failed_proofs.failed(exchange.source_ip, exchange.received_at_us)
        return Refused(self.reject(exchange, "unauthorized", reason, answers.UNAUTHORIZED))

    def _hold_back(self, exchange: Exchange, wait_seconds: int, reason: str) -> Refused:
        return Refused(self.reject(exchange, "address_limited", reason, answers.address_limited(wait_seconds)))

    def _produce(self, exchange: Exchange, prepared: Prepared, body: bytes, waiter: Answerable) -> Answer | Pending:
        head, at_us = exchange.head, exchange.received_at_us
        headers = head.headers
        dedupe_key = ordering_key = None
        invalid_json = False
        try:
            value = parse_body(body, headers.get("content-type"))
        except BodyError:
            invalid_json = True
        else:
            if prepared.key_of is not None:
                dedupe_key = self._key(prepared.key_of, headers, value, at_us)
            if prepared.ordering_key_of is not None:
                ordering_key = self._key(prepared.ordering_key_of, headers, value, at_us)
        random_hex = self._random.take()
        delivery_id = format_uuid7(at_us, random_hex[RANDOM_DIGITS:])
        facts = request_facts(head, prepared.stored, exchange.source_ip, now_us() - at_us, invalid_json=invalid_json)
        pending = Pending(waiter, delivery_id.encode(), len(body), invalid_json=invalid_json)
        taken = self.bridge.submit(
            pending,
            prepared.topic,
            key=request_key(prepared.tenant_id, prepared.webhook_id, ordering_key or dedupe_key or delivery_id),
            value=body,
            headers=encode(
                DeliveryHeaders(
                    delivery_id,
                    prepared.tenant_id,
                    prepared.webhook_id,
                    prepared.version,
                    at_us,
                    facts,
                    dedupe_key,
                    self.trace(headers, random_hex),
                )
            ),
            at_ms=at_us // 1_000,
        )
        if taken:
            return pending
        return self.reject(exchange, "unavailable", "unavailable", answers.UNAVAILABLE)

    def _key(self, key_of: KeyOf, headers: Mapping[str, str], value: Any, at_us: int) -> str | None:
        try:
            return key_of(headers, value, at_us // 1_000)
        except (JsonataError, InputError):
            self.tally.key_failures += 1
            return None
