"""If-Match: a change is refused when somebody else made one since the caller read."""

from management.errors import PreconditionFailedError


def etag_of(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def require_version(if_match: str | None, version: int) -> None:
    """Raises PreconditionFailedError unless `if_match` is absent, `*`, or names the version (strong comparison)."""
    if if_match is None:
        return
    tags = [tag.strip() for tag in if_match.split(",")]
    if "*" not in tags and etag_of(version) not in tags:
        message = f"somebody else changed it: it is version {version} by now; read it again"
        raise PreconditionFailedError(message, headers={"ETag": etag_of(version)})
