"""Does the request prove that it comes from the sender? One small pure function per `auth_type`.

A verifier is built once per version of a webhook; verifying takes the request and the time and gives None or a reason.
Wherever a proof is missing or wrong the same digests are computed all the same, so that the time taken tells nothing:
neither how right the proof is, nor whether there is such a webhook, nor which scheme it has.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.addresses import Network, parse_address, parse_networks, within
from infra.proofs.requests import BAD_ADDRESS, Secret, SignedRequest, Verify
from infra.proofs.signatures import build_hmac_sha256
from infra.proofs.tokens import build_api_key, build_basic, build_bearer, build_path_token
from schemas.webhooks import AuthConfig, HmacAuth, SealedSecret


def _build_anyone(_: Any, __: Sequence[Secret]) -> Verify:
    """No proof but, where networks are configured, the address."""
    return lambda request, now_us: None


_BUILDERS: Mapping[str, Callable[[Any, Sequence[Secret]], Verify]] = {
    "hmac_sha256": build_hmac_sha256,
    "bearer": build_bearer,
    "basic": build_basic,
    "api_key": build_api_key,
    "path_token": build_path_token,
    "ip_allowlist": _build_anyone,
    "none": _build_anyone,
}

# Stands in for a webhook that does not exist: the same work, and never a match, because its secret is never in force.
verify_nobody: Verify = build_hmac_sha256(
    HmacAuth(secrets=(SealedSecret(sealed=""),)), [Secret(b"no webhook has this for its secret", valid_until_us=0)]
)


def build_verifier(auth: AuthConfig, secrets: Sequence[Secret]) -> Verify:
    """The verifier of a webhook's scheme and, where it has any, its networks. Raises ValueError on a wrong network."""
    verify = _BUILDERS[auth.type](auth, secrets)
    if auth.ip_cidrs:
        verify = _within_networks(verify, parse_networks(auth.ip_cidrs))
    return verify if isinstance(auth, HmacAuth) else _refusing_like_nobody(verify)


def _within_networks(verify: Verify, networks: Sequence[Network]) -> Verify:
    def verify_both(request: SignedRequest, now_us: int) -> str | None:
        reason = verify(request, now_us)
        address = parse_address(request.source_ip)
        inside = address is not None and within(address, networks)
        return reason if reason is not None or inside else BAD_ADDRESS

    return verify_both


def _refusing_like_nobody(verify: Verify) -> Verify:
    """A refusal that costs what the refusal of an unknown webhook does: a digest of the whole body."""

    def verify_or_stand_in(request: SignedRequest, now_us: int) -> str | None:
        reason = verify(request, now_us)
        if reason is not None:
            verify_nobody(request, now_us)
        return reason

    return verify_or_stand_in
