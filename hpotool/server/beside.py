"""Further pages on the server of optuna-dashboard, and a link to them on its own pages, which stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Its pages are one script that draws below #root. The link stands beside that and leads
# to the study that is open.
_LINK = """<a id="hpotool-pages" href="{mount}/" data-mount="{mount}" style="position:fixed;right:16px;bottom:16px;
z-index:1000;padding:6px 12px;border-radius:16px;background:#1f3b63;color:#fff;font:14px sans-serif;
text-decoration:none">Fleet, attempts, logs</a><script defer src="{mount}/static/link.js"></script></body>"""


def beside(dashboard: WSGIApplication, mount: str, pages: WSGIApplication) -> WSGIApplication:
    """Answer requests below ``mount`` with ``pages``, all others with the dashboard and a link to ``mount``."""
    link = _LINK.format(mount=mount).encode()

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environment.get("PATH_INFO", "")
        if path == mount or path.startswith(f"{mount}/"):
            return pages(environment, start_response)
        if environment["REQUEST_METHOD"] != "GET" or not path.startswith("/dashboard"):
            return dashboard(environment, start_response)
        return _with_link(dashboard, environment, start_response, link)

    return answer


def _with_link(
    dashboard: WSGIApplication, environment: WSGIEnvironment, start_response: StartResponse, link: bytes
) -> Iterable[bytes]:
    kept: list[tuple[str, list[tuple[str, str]]]] = []

    def keep(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> object:
        kept.append((status, headers))
        return None

    # A page that is not changed since the browser's copy would be answered without the link.
    found = dashboard(_without_conditions(environment), keep)  # type: ignore[arg-type]
    try:
        body = b"".join(found)
    finally:
        getattr(found, "close", lambda: None)()
    status, headers = kept[-1]
    if dict(headers).get("Content-Type", "").startswith("text/html"):
        body = body.replace(b"</body>", link, 1)
        headers = [pair for pair in headers if pair[0].lower() not in ("content-length", "etag", "last-modified")]
        headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]


def _without_conditions(environment: WSGIEnvironment) -> WSGIEnvironment:
    dropped = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_ACCEPT_ENCODING")
    return {name: value for name, value in environment.items() if name not in dropped}
