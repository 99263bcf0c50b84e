"""The id of an event where the sender signs it: what tells a captured request that is sent again."""

from collections.abc import Callable

from infra.proofs.requests import SignedRequest
from infra.proofs.verify import Presets, proof_of
from schemas.presets import SignatureProof
from schemas.webhooks import AuthConfig

SignedIdOf = Callable[[SignedRequest], str | None]


def signed_id_header(auth: AuthConfig, presets: Presets) -> str | None:
    """The lower-case header with an id that the signature covers; None where none does. Raises UnknownPresetError."""
    proof = proof_of(auth, presets)
    if not isinstance(proof, SignatureProof) or proof.id_header is None:
        return None
    return proof.id_header.lower()


def signed_id_of(auth: AuthConfig, presets: Presets) -> SignedIdOf | None:
    """Reads that id from a request that has proven itself; None where no id is signed. Raises UnknownPresetError."""
    header = signed_id_header(auth, presets)
    if header is None:
        return None

    def signed_id(request: SignedRequest) -> str | None:
        return request.headers.get(header, "").strip() or None

    return signed_id
