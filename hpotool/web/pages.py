"""The WSGI application of the pages: finds the page or the action that a request names, and answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from hpotool.errors import DatabaseUnreachableError, HpotoolError, InputError, NotFoundError
from hpotool.web.actions import Actions, Wanted, actor_of, fingerprint_of
from hpotool.web.exchange import MOUNT, Request, Response, see_other
from hpotool.web.render import Renderer
from hpotool.web.schedulers import Schedulers
from hpotool.web.sessions import Notice, Sessions
from hpotool.web.source import Source
from hpotool.web.views.fleet import show_fleet
from hpotool.web.views.launches import show_launches
from hpotool.web.views.study import show_study
from hpotool.web.views.trial import show_trial
from hpotool.web.views.trials import show_trials

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from hpotool.storage.optuna.postgres import PostgresStorage

_TRY_AGAIN = (("Refresh", "5"),)  # a page that was opened during an outage comes by itself, without scripts too
_HINT = f"{MOUNT}/ lists all studies"
_LONGEST_NUMBER = 9  # digits, all of which Postgres can hold in an integer
_STATUSES: tuple[tuple[type[HpotoolError], str], ...] = (
    (NotFoundError, "404 Not Found"),
    (InputError, "400 Bad Request"),
    (DatabaseUnreachableError, "503 Service Unavailable"),
    (HpotoolError, "500 Internal Server Error"),
)


class Pages:
    """The pages of one database. Called like any WSGI application, with a path that starts with `MOUNT`.

    Args:
        may_act: whether people who have logged in get buttons; never without a login.
    """

    def __init__(self, storage: PostgresStorage, *, may_act: bool) -> None:
        self._source = Source(storage)
        self._schedulers = Schedulers()
        self._sessions = Sessions(may_act)
        self._actions = Actions(self._source)
        self._renderer = Renderer()

    def __call__(self, environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request.read(environment)
        response = self.answer(request)
        start_response(response.status, response.all_headers())
        return [] if request.method == "HEAD" else [response.body]

    def answer(self, request: Request) -> Response:
        """Return the response to a request; an error of ours becomes a page with its message and hint."""
        try:
            if request.method == "POST":
                return self._act(request)
            if request.method in ("GET", "HEAD"):
                return self._show(request)
        except DatabaseUnreachableError as error:
            return self._complain(error, headers=_TRY_AGAIN if request.method == "GET" else ())
        except HpotoolError as error:
            return self._complain(error)
        return Response(b"", "405 Method Not Allowed", headers=(("Allow", "GET, HEAD, POST"),))

    def _show(self, request: Request) -> Response:
        match request.path:
            case ():
                return self._page(request, "fleet.html", lambda: show_fleet(self._source))
            case ("launches",):
                return self._page(request, "launches.html", lambda: show_launches(self._source, self._schedulers))
            case ("static", name):
                return self._static(name)
            case ("studies", study):
                return self._page(request, "study.html", lambda: show_study(self._source, _number(study)))
            case ("studies", study, "trials"):
                return self._page(
                    request, "trials.html", lambda: show_trials(self._source, _number(study), request.query)
                )
            case ("studies", study, "trials", trial):
                return self._page(
                    request, "trial.html", lambda: show_trial(self._source, _number(study), _number(trial))
                )
        raise NotFoundError("there is no such page", _HINT)

    def _page(self, request: Request, template: str, show: Callable[[], dict[str, Any]]) -> Response:
        content = show()
        session = self._sessions.open(request)
        content["seen"] = fingerprint_of(content.get("note", ""))
        body = self._renderer.page(template, content, session, self._sessions.take_notice(request))
        return Response(body, headers=session.cookie if session else ())

    def _static(self, name: str) -> Response:
        if name not in self._renderer.static:
            raise NotFoundError("there is no such file", _HINT)
        content, kind = self._renderer.static[name]
        return Response(content, kind=kind, cache="private, max-age=3600")

    def _act(self, request: Request) -> Response:
        refused = self._sessions.reason_to_refuse(request)
        if refused is not None:
            return self._complain(HpotoolError(refused), "403 Forbidden")
        match request.path:
            case ("studies", study, "actions", action):
                wanted = self._wanted(request, _number(study), None)
            case ("studies", study, "trials", trial, "actions", action):
                wanted = self._wanted(request, _number(study), _number(trial))
            case _:
                raise NotFoundError("there is no such action", _HINT)
        try:
            notice = Notice(self._actions.act(action, wanted))
        except (InputError, NotFoundError) as error:
            notice = Notice(error.message, error.hint, is_error=True)
        self._sessions.leave_notice(request, notice)
        trial_part = "" if wanted.number is None else f"/trials/{wanted.number}"
        return see_other(f"{MOUNT}/studies/{wanted.study_id}{trial_part}")

    def _wanted(self, request: Request, study_id: int, number: int | None) -> Wanted:
        return Wanted(study_id, number, request.form, actor_of(request.user or ""))

    def _complain(
        self, error: HpotoolError, status: str | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> Response:
        status = status or next(known for kind, known in _STATUSES if isinstance(error, kind))
        content = {"status": status, "message": error.message, "hint": error.hint, "tries_again": bool(headers)}
        return Response(self._renderer.page("error.html", content), status, headers=headers)


def _number(text: str) -> int:
    """The number in a path.

    Raises:
        NotFoundError: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise NotFoundError("there is no such page", _HINT)
    return int(text)
