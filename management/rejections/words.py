"""What every reason of a rejection means, in one sentence: the one place with the words. Pure.

Where the webhook is known the sentence names what it is configured with: a header, a parameter, a tolerance.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from infra.proofs.requests import BAD_ADDRESS, BAD_SIGNATURE, BAD_TIMESTAMP, BAD_TOKEN, NO_PROOF
from management.inbound_webhooks.schemas import InboundWebhookSettings
from management.presets.words import place_in_words
from schemas.presets import Preset, SignatureProof
from schemas.webhooks import (
    ApiKeyScheme,
    BasicScheme,
    BearerScheme,
    HmacScheme,
    PathTokenScheme,
    PresetScheme,
    StandardWebhooksScheme,
)


class Expected(NamedTuple):
    """What a webhook looks for in a request, in words; `clock` says where the time stands and how far it may be off."""

    place: str
    clock: str | None = None


def explanation(reason: str, settings: InboundWebhookSettings | None, presets: Mapping[str, Preset]) -> str:
    """One sentence. `settings` are the webhook's as it is now, None where it is unknown, gone or not to be shown."""
    words = WORDS.get(reason)
    if words is None:  # a record of another release
        return f"The request was not accepted: {reason}."
    return words(settings, None if settings is None else _expected(settings, presets))


def _always(sentence: str) -> "Words":
    return lambda _, __: sentence


def _no_proof(_: InboundWebhookSettings | None, expected: Expected | None) -> str:
    if expected is None:
        return "The request carries no proof of who sent it."
    return f"The request carries no proof of who sent it: nothing stands {expected.place}."


def _bad_signature(_: InboundWebhookSettings | None, expected: Expected | None) -> str:
    place = "" if expected is None else f" {expected.place}"
    return (
        f"The signature{place} is not one of this body under the webhook's secret: the secret is another one, or the "
        "body was changed on its way."
    )


def _bad_timestamp(_: InboundWebhookSettings | None, expected: Expected | None) -> str:
    clock = "" if expected is None or expected.clock is None else f" {expected.clock}"
    return f"The signature is right, but its time{clock} is missing or too far from the receiver's clock."


def _bad_token(_: InboundWebhookSettings | None, expected: Expected | None) -> str:
    place = "with the request" if expected is None else expected.place
    return f"The token, key or password {place} is not the webhook's."


def _bad_address(settings: InboundWebhookSettings | None, _: Expected | None) -> str:
    networks = () if settings is None else settings.auth_config.ip_cidrs
    named = f" ({len(networks)} in ip_cidrs)" if networks else ""
    return f"The sender's address is in none of the webhook's networks{named}."


def _too_large(settings: InboundWebhookSettings | None, _: Expected | None) -> str:
    cap = "the webhook's cap" if settings is None else f"the webhook's cap of {settings.max_body_bytes:,} bytes"
    return f"The body is larger than {cap}."


def _rate_limited(settings: InboundWebhookSettings | None, _: Expected | None) -> str:
    limit = "" if settings is None else f" of {settings.rate_limit_per_minute:,} a minute"
    return f"The sender was faster than the webhook's rate{limit}; it was told when to try again."


def _unknown_preset(settings: InboundWebhookSettings | None, _: Expected | None) -> str:
    auth = None if settings is None else settings.auth_config
    named = f" {auth.preset}" if isinstance(auth, PresetScheme) else ""
    return f"The webhook's preset{named} is not installed on the receiver; the sender was told to try again."


Words = Callable[[InboundWebhookSettings | None, Expected | None], str]
WORDS: Mapping[str, Words] = {
    NO_PROOF: _no_proof,
    BAD_SIGNATURE: _bad_signature,
    BAD_TIMESTAMP: _bad_timestamp,
    BAD_TOKEN: _bad_token,
    BAD_ADDRESS: _bad_address,
    "unknown_preset": _unknown_preset,
    "unusable_proof": _always("The webhook's proof cannot be used by the receiver; the sender was told to try again."),
    "unknown_webhook": _always("There is no webhook at this address."),
    "disabled_webhook": _always("The webhook is switched off, or the tenant is not entitled to webhooks."),
    "no_handshake_rule": _always(
        "A request without a body is taken only where a handshake rule of the webhook fits it."
    ),
    "method_not_allowed": _always("Webhooks take POST, PUT and PATCH."),
    "address_limited": _always(
        "This address failed to prove itself too often within a minute, so that its requests were refused unread."
    ),
    "rate_limited": _rate_limited,
    "body_too_large": _too_large,
    "headers_too_large": _always("The headers are larger than 16 KiB."),
    "timed_out": _always("The body did not arrive in time."),
    "malformed": _always("The request cannot be read in one way only: it breaks the rules of HTTP."),
    "starting": _always(
        "The receiver had just been started and knew no webhooks yet; the sender was told to try again."
    ),
    "unavailable": _always("Kafka did not take the request in time; the sender was told to try again."),
}


def _expected(settings: InboundWebhookSettings, presets: Mapping[str, Preset]) -> Expected | None:
    auth = settings.auth_config
    if isinstance(auth, HmacScheme):
        return _signature(auth.signature_header, auth.timestamp_header, auth.tolerance_seconds)
    if isinstance(auth, StandardWebhooksScheme):
        return _signature("webhook-signature", "webhook-timestamp", auth.tolerance_seconds)
    if isinstance(auth, BearerScheme):
        return Expected("as a bearer token in the header Authorization")
    if isinstance(auth, BasicScheme):
        return Expected("as user name and password in the header Authorization")
    if isinstance(auth, ApiKeyScheme):
        return Expected(f"in the header {auth.header}")
    if isinstance(auth, PathTokenScheme):
        return Expected(f"in the query parameter {auth.query_param}")
    preset = presets.get(auth.preset) if isinstance(auth, PresetScheme) else None
    return None if preset is None or not isinstance(auth, PresetScheme) else _of_preset(preset, auth)


def _of_preset(preset: Preset, auth: PresetScheme) -> Expected:
    proof = preset.proof
    if isinstance(proof, SignatureProof):
        stamp = proof.timestamp
        if stamp is None:
            return _signature(proof.header, None, 0)
        return _signature(proof.header, stamp.header or proof.header, stamp.tolerance_seconds)
    name = proof.name or auth.fields.get(proof.name_field or "", proof.name_field)
    return Expected(place_in_words(proof, str(name)))


def _signature(header: str, timestamp_header: str | None, tolerance_seconds: int) -> Expected:
    clock = None
    if timestamp_header is not None:
        clock = f"in the header {timestamp_header} (which may be {tolerance_seconds} seconds off)"
    return Expected(f"in the header {header}", clock)
