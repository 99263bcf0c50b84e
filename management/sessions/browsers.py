"""The cookie that a browser keeps after a sign-in: it shows that the browser is known to the account."""

from typing import NamedTuple
from uuid import UUID, uuid4

from infra.errors import SecretError
from infra.secretbox import SecretBox

COOKIE = "hookline_browser"
COOKIE_SECONDS = 34_560_000  # 400 days: browsers keep no cookie longer
_CONTEXT = "browser"
_LENGTH_MAX = 512


class KnownBrowser(NamedTuple):
    """A browser in which this user has signed in before. `id` is random and the browser's own."""

    tenant_id: UUID
    user_id: UUID
    id: UUID


class KnownBrowsers:
    """Sealed under the master key, so that nobody else can make one."""

    def __init__(self, secret_box: SecretBox) -> None:
        self._secret_box = secret_box

    def remember(self, tenant_id: UUID, user_id: UUID, known: KnownBrowser | None, *, at_seconds: int) -> str:
        """The cookie's value. A browser that is known already keeps its id."""
        browser_id = uuid4() if known is None else known.id
        content = f"{tenant_id.hex}{user_id.hex}{browser_id.hex}{at_seconds}"
        return self._secret_box.seal(content, context=_CONTEXT).rstrip("=")

    def recognise(self, cookie: str | None, *, at_seconds: int) -> KnownBrowser | None:
        """The browser that a cookie is of; None for none, a false one, or one that is too old."""
        if cookie is None or len(cookie) > _LENGTH_MAX:
            return None
        try:
            content = self._secret_box.open(cookie + "=" * (-len(cookie.rpartition(".")[2]) % 4), context=_CONTEXT)
        except SecretError:
            return None
        if int(content[96:]) < at_seconds - COOKIE_SECONDS:
            return None
        return KnownBrowser(UUID(content[:32]), UUID(content[32:64]), UUID(content[64:96]))
