"""GET /docs: the OpenAPI document in Swagger UI, whose files come from this host and no other."""

from collections.abc import Callable
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response

_ASSETS = files("fastapi_offline") / "static"
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hookline API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null, presets: [SwaggerUIBundle.presets.apis],
});
"""
#: Swagger UI sets styles on its elements and has its pictures in its style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_routes() -> APIRouter:
    """The page and its three files; none of them is part of the document."""
    router = APIRouter()
    for path, content, media_type in (
        ("/docs", _PAGE.encode, "text/html"),
        ("/docs/start.js", _START.encode, "text/javascript"),
        ("/docs/swagger-ui-bundle.js", (_ASSETS / "swagger-ui-bundle.js").read_bytes, "text/javascript"),
        ("/docs/swagger-ui.css", (_ASSETS / "swagger-ui.css").read_bytes, "text/css"),
    ):
        router.add_api_route(path, _file(content, media_type), include_in_schema=False)
    return router


def _file(content: Callable[[], bytes], media_type: str) -> Callable[[], Response]:
    def file() -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return Response(content(), media_type=media_type, headers=headers)

    return file
