"""Under which scheme and host a sender has reached us, for signatures that cover the URL. Pure."""

from collections.abc import Mapping

_SCHEMES = frozenset({"http", "https"})


def base_url(headers: Mapping[str, str], *, is_proxied: bool) -> str:
    """Scheme and host without a slash at the end. `is_proxied`: `X-Forwarded-Proto` is of a proxy that is trusted.

    Of several schemes, one per proxy, the first is the sender's own.
    """
    forwarded = headers.get("x-forwarded-proto", "") if is_proxied else ""
    scheme = forwarded.partition(",")[0].strip().lower()
    return f"{scheme if scheme in _SCHEMES else 'http'}://{headers.get('host', '')}"
