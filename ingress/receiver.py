"""The receiver's steps in the order of the contract: find, verify, handshake, rate limit, parse, dedupe key, produce.

The body cap comes before, while the body is read (connection.py); the answer comes after, with the acknowledgement.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.addresses import Network, client_address, parse_address, within
from infra.clock import HOUR_US, now_us
from infra.ids import RandomDigits, format_uuid7
from infra.jsonata import InputError, JsonataError
from infra.proofs.requests import SignedRequest
from infra.proofs.verify import verify_nobody
from infra.requests.keys import KeyOf, key_text
from ingress.acks import AckBridge, Answerable, Pending
from ingress.core import answers
from ingress.core.addresses import FailedProofs
from ingress.core.answers import Answer
from ingress.core.base_urls import base_url
from ingress.core.facts import request_facts
from ingress.core.http1 import Head
from ingress.pace import Refused
from ingress.prepared import Prepared, PreparedWebhooks
from ingress.proof import Proof
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

    __slots__ = ("head", "peer", "prepared", "received_at_us", "source_ip")

    def __init__(
        self, head: Head, prepared: Prepared | None, *, peer: str, source_ip: str, received_at_us: int
    ) -> None:
        self.head = head
        self.prepared = prepared
        self.peer = peer
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
        public_base_url: str | None = None,
    ) -> None:
        self.webhooks = webhooks
        self.bridge = bridge
        self.rejections = rejections
        self.tally = tally
        self.trace = trace
        self.failed_proofs = FailedProofs(failed_proofs_per_minute)
        self._trusted_proxies = trusted_proxies
        self._public_base_url = public_base_url
        self._random = RandomDigits(RANDOM_DIGITS + _ID_DIGITS)

    def open(self, head: Head, peer: str) -> Exchange:
        """Find the webhook behind the URL. An unknown one goes on as None, so that it looks like any other."""
        at_us = now_us()
        source_ip = peer
        if self._trusted_proxies:
            source_ip = client_address(peer, head.headers.get("x-forwarded-for"), self._trusted_proxies)
        tenant_slug, slash, slug = head.path[len(INBOUND) :].partition("/")
        prepared = self.webhooks.find(tenant_slug, slug, at_us) if slash else None
        return Exchange(head, prepared, peer=peer, source_ip=source_ip, received_at_us=at_us)

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
        prepared, at_us = exchange.prepared, exchange.received_at_us
        if not self.webhooks.ready:
            # A known sender would be told that its proof is wrong, and many never try again after that.
            return self.reject(exchange, "unavailable", "starting", answers.UNAVAILABLE)
        active = prepared if prepared is not None and prepared.is_active else None
        wait_seconds = self.failed_proofs.wait_seconds(exchange.source_ip, at_us)
        if wait_seconds and not self._may_try(exchange, active):
            return self._hold_back(exchange, wait_seconds, "address_limited")
        if active is None:
            verify_nobody(self._signed(exchange, None, body), at_us)
            reason = "unknown_webhook" if prepared is None else "disabled_webhook"
            return self._refuse(exchange, wait_seconds, reason)
        if active.proof is None:
            return self.reject(exchange, "unavailable", active.fault or "", answers.UNAVAILABLE)
        return self._admit(exchange, active, active.proof, body, waiter)

    def _admit(
        self, exchange: Exchange, active: Prepared, proof: Proof, body: bytes, waiter: Answerable
    ) -> Answer | Refused | Pending:
        """Verify, and take the request: for a webhook that takes any."""
        head, at_us = exchange.head, exchange.received_at_us
        signed = self._signed(exchange, proof, body)
        greeting = self._greet(exchange, active, proof, signed, proven=False)
        if greeting is not None:
            return greeting
        reason = proof.verify(signed, at_us)
        if reason is not None:
            return self._refuse(exchange, self.failed_proofs.wait_seconds(exchange.source_ip, at_us), reason)
        if proof.is_asked_for:
            self.failed_proofs.succeeded(exchange.source_ip, active.webhook_id, at_us)
        greeting = self._greet(exchange, active, proof, signed, proven=True)
        if greeting is not None:
            return greeting
        if head.method in _HANDSHAKE_METHODS:
            return Refused(self.reject(exchange, "unauthorized", "no_handshake_rule", answers.UNAUTHORIZED))
        if not active.bucket.take(at_us):
            return self._rate_limit(exchange, active)
        return self._produce(exchange, active, signed, waiter)

    def _may_try(self, exchange: Exchange, active: Prepared | None) -> bool:
        """Whether an address that is held back is listened to here all the same."""
        if active is None or active.proof is None:
            return False
        if not active.proof.is_asked_for:
            return True
        return self.failed_proofs.is_proven(exchange.source_ip, active.webhook_id, exchange.received_at_us)

    def _signed(self, exchange: Exchange, proof: Proof | None, body: bytes) -> SignedRequest:
        head = exchange.head
        base = ""
        if proof is not None and proof.signs_url:
            base = self._public_base_url or base_url(head.headers, is_proxied=self._is_proxied(exchange))
        return SignedRequest(head.method, head.path, head.query, head.headers, body, exchange.source_ip, base)

    def _is_proxied(self, exchange: Exchange) -> bool:
        peer = parse_address(exchange.peer)
        return peer is not None and within(peer, self._trusted_proxies)

    def _greet(
        self, exchange: Exchange, active: Prepared, proof: Proof, signed: SignedRequest, *, proven: bool
    ) -> Answer | None:
        """The answer to a handshake, which is no delivery. None: it is none."""
        if proof.handshakes is None:
            return None
        found = proof.handshakes.find(signed, proven=proven, now_us=exchange.received_at_us)
        if found is None:
            return None
        if not active.bucket.take(exchange.received_at_us):
            return self._rate_limit(exchange, active)
        self.answered("handshake", exchange.received_at_us)
        return answers.handshake(*found)

    def _rate_limit(self, exchange: Exchange, active: Prepared) -> Answer:
        return self.reject(exchange, "rate_limited", "rate_limited", answers.rate_limited(*active.bucket.refusal()))

    def _refuse(self, exchange: Exchange, wait_seconds: int, reason: str) -> Refused:
        """Nothing was proved. Where the address is held back the answer is the one that unknown webhooks give then."""
        if wait_seconds:
            return self._hold_back(exchange, wait_seconds, reason)
        self.failed_proofs.failed(exchange.source_ip, exchange.received_at_us)
        return Refused(self.reject(exchange, "unauthorized", reason, answers.UNAUTHORIZED))

    def _hold_back(self, exchange: Exchange, wait_seconds: int, reason: str) -> Refused:
        return Refused(self.reject(exchange, "address_limited", reason, answers.address_limited(wait_seconds)))

    def _produce(
        self, exchange: Exchange, prepared: Prepared, signed: SignedRequest, waiter: Answerable
    ) -> Answer | Pending:
        head, body, at_us = exchange.head, signed.body, exchange.received_at_us
        headers = head.headers
        dedupe_key = ordering_key = None
        invalid_json = False
        try:
            value = parse_body(body, headers.get("content-type"))
        except BodyError:
            invalid_json = True
        else:
            dedupe_key = self._dedupe_key(prepared, signed, value, at_us)
            if prepared.ordering_key_of is not None:
                ordering_key = self._key(prepared.ordering_key_of, headers, value, at_us)
        random_hex = self._random.take()
        delivery_id = format_uuid7(at_us, random_hex[RANDOM_DIGITS:])
        facts = request_facts(
            head,
            prepared.stored,
            exchange.source_ip,
            now_us() - at_us,
            invalid_json=invalid_json,
            redact_paths=prepared.redact_paths,
            priority=prepared.priority,
        )
        account = prepared.tenant_id, at_us // HOUR_US, prepared.topic
        pending = Pending(
            waiter,
            account,
            delivery_id.encode(),
            len(body),
            invalid_json=invalid_json,
            accepted=prepared.accepted,
        )
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

    def _dedupe_key(self, prepared: Prepared, signed: SignedRequest, value: Any, at_us: int) -> str | None:
        """The webhook's own; where it has none, the id that the signature covers, against requests sent again."""
        own = None if prepared.key_of is None else self._key(prepared.key_of, signed.headers, value, at_us)
        if own is not None or prepared.proof is None or prepared.proof.signed_id_of is None:
            return own
        return key_text(prepared.proof.signed_id_of(signed))

    def _key(self, key_of: KeyOf, headers: Mapping[str, str], value: Any, at_us: int) -> str | None:
        try:
            return key_of(headers, value, at_us // 1_000)
        except (JsonataError, InputError):
            self.tally.key_failures += 1
            return None
