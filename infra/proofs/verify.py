"""Does the request prove that it comes from the sender? One small pure function per `auth_type`.

A verifier is built once per version of a webhook; verifying takes the request and the time and gives None or a reason.
Wherever a proof is missing or wrong the same digests are computed all the same, so that the time taken tells nothing:
neither how right the proof is, nor whether there is such a webhook, nor which scheme it has.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.addresses import Network, parse_address, parse_networks, within
from infra.proofs.errors import UnknownPresetError
from infra.proofs.payloads import signs_url as template_signs_url
from infra.proofs.requests import BAD_ADDRESS, Secret, SignedRequest, Verify
from infra.proofs.signatures import build_verifier_of, rule_of_hmac, rule_of_proof, standard_webhooks_proof
from infra.proofs.tokens import build_api_key, build_basic, build_bearer, build_path_token, build_token
from schemas.presets import Preset, Proof, SignatureProof
from schemas.webhooks import AuthConfig, HmacAuth, PresetAuth, SealedSecret, StandardWebhooksAuth

Presets = Mapping[str, Preset]


def _build_anyone(_: Any, __: Sequence[Secret]) -> Verify:
    """No proof but, where networks are configured, the address."""
    return lambda request, now_us: None


_BUILDERS: Mapping[str, Callable[[Any, Sequence[Secret]], Verify]] = {
    "hmac_sha256": lambda auth, secrets: build_verifier_of(rule_of_hmac(auth, secrets)),
    "bearer": build_bearer,
    "basic": build_basic,
    "api_key": build_api_key,
    "path_token": build_path_token,
    "ip_allowlist": _build_anyone,
    "none": _build_anyone,
}

# Stands in for a webhook that does not exist: the same work, and never a match, because its secret is never in force.
verify_nobody: Verify = build_verifier_of(
    rule_of_hmac(
        HmacAuth(secrets=(SealedSecret(sealed=""),)), [Secret(b"no webhook has this for its secret", valid_until_us=0)]
    )
)


def build_verifier(auth: AuthConfig, secrets: Sequence[Secret], presets: Presets) -> Verify:
    """The verifier of a webhook's scheme and, where it has any, its networks.

    Raises ProofError for a key that is no key, UnknownPresetError, and ValueError for a wrong network.
    """
    proof = proof_of(auth, presets)
    if proof is None:
        verify = _BUILDERS[auth.type](auth, secrets)
    elif isinstance(proof, SignatureProof):
        verify = build_verifier_of(rule_of_proof(proof, fields_of(auth, presets), secrets))
    else:
        verify = build_token(proof, fields_of(auth, presets), secrets)
    if auth.ip_cidrs:
        verify = _within_networks(verify, parse_networks(auth.ip_cidrs))
    return verify if isinstance(auth, HmacAuth) else _refusing_like_nobody(verify)


def preset_of(auth: AuthConfig, presets: Presets) -> Preset | None:
    """The preset a scheme names; None for any other scheme. Raises UnknownPresetError."""
    if not isinstance(auth, PresetAuth):
        return None
    preset = presets.get(auth.preset)
    if preset is None:
        raise UnknownPresetError(f"preset {auth.preset} is not installed here")
    return preset


def proof_of(auth: AuthConfig, presets: Presets) -> Proof | None:
    """What a preset or Standard Webhooks prove themselves with; None for schemes that spell it out.

    Raises UnknownPresetError.
    """
    if isinstance(auth, StandardWebhooksAuth):
        return standard_webhooks_proof(auth)
    preset = preset_of(auth, presets)
    return None if preset is None else preset.proof


def fields_of(auth: AuthConfig, presets: Presets) -> dict[str, str]:
    """The fields a proof is made with but its secret, defaults filled in. Raises UnknownPresetError."""
    if isinstance(auth, StandardWebhooksAuth):
        return {} if auth.public_key is None else {"public_key": auth.public_key}
    preset = preset_of(auth, presets)
    if preset is None or not isinstance(auth, PresetAuth):
        return {}
    defaults = {name: field.default for name, field in preset.fields.items() if field.default is not None}
    return {**defaults, **{name: str(value) for name, value in auth.fields.items() if value is not None}}


def signs_url(auth: AuthConfig, presets: Presets) -> bool:
    """Whether the proof covers the URL, so that a request needs its `base_url`. Raises UnknownPresetError."""
    proof = proof_of(auth, presets)
    return isinstance(proof, SignatureProof) and template_signs_url(proof.signed)


def _within_networks(verify: Verify, networks: Sequence[Network]) -> Verify:
    def verify_both(request: SignedRequest, now_us: int) -> str | None:
        reason = verify(request, now_us)
        address = parse_address(request.source_ip)
        inside = address is not None and within(address, networks)
        return reason if reason is not None or inside else BAD_ADDRESS

    return verify_both


def _refusing_like_nobody(verify: Verify) -> Verify:
    """A refusal that costs at least what the refusal of an unknown webhook does: a digest of the whole body."""

    def verify_or_stand_in(request: SignedRequest, now_us: int) -> str | None:
        reason = verify(request, now_us)
        if reason is not None:
            verify_nobody(request, now_us)
        return reason

    return verify_or_stand_in
