"""The web application in which people vote: who they are, one question after the other, undo, rest, end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import lru_cache
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from aiohttp import http_exceptions, web

from evals.imageset.decoding import UnreadableImage
from evals.run import Run
from evals.voting.pages import content_policy, rendered
from evals.voting.pairs import Pair, VotingError
from evals.voting.pictures import FULL_SIDE, SIDE, framed
from evals.voting.store import StoreError, VoterQuestion, VoteStore
from evals.voting.votes import ANSWERS, LONGEST_NAME

REST_AFTER = 40
"""After so many answers a voter is told to rest the eyes."""

_COOKIE = "voter"
_KEPT_FRAMES = 32
_BETWEEN_EXPORTS_S = 2.0
_YEAR_S = 365 * 24 * 3600
_TROUBLE = (sqlite3.Error, StoreError, OSError)

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class VotingPages:
    """The pages of one run's vote.

    No page, address or header says a system, a path or an id of the run: pictures are addressed by the random id of
    the question and their side, and belong to the voter who was asked.
    """

    def __init__(self, run: Run, store: VoteStore, pairs: Sequence[Pair], token: str = "") -> None:
        """Serve the pairs of a run; with a token nothing is found but below ``/token/``."""
        self._run, self._store, self._root = run, store, f"/{token}" if token else ""
        self._local_only = not token
        self._pairs = {pair.key: pair for pair in pairs}
        self._changed = asyncio.Event()
        # Tasks, so that both sides of a question are ready together: what takes longer to decode would tell the system.
        self._framing = lru_cache(_KEPT_FRAMES)(
            lambda size, sides: asyncio.create_task(asyncio.to_thread(framed, dict(sides), size))
        )

    def application(self) -> web.Application:
        """Return the application with all routes."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._refuse_foreign(request)
            try:
                return await handler(request)
            except _TROUBLE as error:
                _log.warning("a voter was asked to try again: %s", error)
                return self._page("trouble.html.jinja", 503)

        logging.getLogger("aiohttp.server").addFilter(_is_of_the_server)  # what a visitor sends is no failure of it
        application = web.Application(middlewares=[guard])
        root = self._root
        application.router.add_get(f"{root}/", self._start)
        application.router.add_post(f"{root}/voter", self._choose_name)
        application.router.add_get(f"{root}/vote", self._show)
        application.router.add_post(f"{root}/vote", self._take)
        application.router.add_post(f"{root}/undo", self._undo)
        application.router.add_post(f"{root}/forget", self._forget)
        application.router.add_get(root + "/picture/{question}/{side}/{size}", self._picture)
        application.on_response_prepare.append(_protect)
        application.cleanup_ctx.append(self._exporting)
        return application

    def _refuse_foreign(self, request: web.Request) -> None:
        """Refuse what another site has sent: under a foreign name for this machine, or from a foreign page."""
        host = _address(f"//{request.host}")
        if self._local_only and not is_loopback(host.hostname or ""):
            raise web.HTTPForbidden(text="This vote is open to this machine only.")
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin and _address(origin).netloc != host.netloc:
            raise web.HTTPForbidden(text="The form is of another site.")

    async def _exporting(self, _: web.Application) -> AsyncIterator[None]:
        """Write the table now and then while votes come in; the store has them all the while."""

        async def export() -> None:
            while True:
                await self._changed.wait()
                await asyncio.sleep(_BETWEEN_EXPORTS_S)
                self._changed.clear()
                try:
                    self._store.export()
                except _TROUBLE as error:
                    _log.warning("the table of votes is not written: %s; the store has them", error)

        task = asyncio.create_task(export())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _start(self, request: web.Request) -> web.Response:
        return self._start_page(request)

    def _start_page(self, request: web.Request, status: int = 200, **told: str) -> web.Response:
        voter = _cookie(request)
        name = self._store.name_of(voter)
        n_answered = self._store.n_answered(voter) if name else 0
        return self._page("start.html.jinja", status, name=name, n_answered=n_answered, longest=LONGEST_NAME, **told)

    async def _choose_name(self, request: web.Request) -> web.Response:
        form = await _form(request)
        name = form.get("name", "")
        try:
            if self._store.voter_named(name) not in (None, _cookie(request)) and "mine" not in form:
                return self._start_page(request, 409, taken=name)
            voter = self._store.voter(name)
        except StoreError:
            raise  # it names the run
        except VotingError as error:
            return self._start_page(request, 422, problem=str(error))
        response = self._redirected("vote")
        response.set_cookie(_COOKIE, voter, max_age=_YEAR_S, path=f"{self._root}/", httponly=True, samesite="Strict")
        raise response

    async def _show(self, request: web.Request) -> web.Response:
        voter = self._voter(request)
        question = self._store.question(voter)
        n_answered = self._store.n_answered(voter)
        rests = n_answered and n_answered % REST_AFTER == 0 and "on" not in request.query
        while question is not None and not rests and not await self._can_be_shown(question):
            question = self._store.question(voter)
        progress = {"n_answered": n_answered, "n_all": self._store.n_all(voter)}
        if question is None:
            return self._page("done.html.jinja", **progress)
        if rests:
            return self._page("rest.html.jinja", **progress)
        self._store.mark_shown(question.id)
        pair = self._pairs[question.pair]
        return self._page("vote.html.jinja", question=question.id, pair=pair, **progress)

    async def _can_be_shown(self, question: VoterQuestion) -> bool:
        """Return whether a question can be shown; if not, nobody is asked about the pairs that it fails for."""
        asked, shown = self._pairs[question.pair], (question.left, question.right)
        try:
            await self._frames(asked, *shown, SIDE)
        except UnreadableImage:
            if not self._run.image_set.is_dir():  # it may come back
                raise FileNotFoundError(f"{self._run.image_set} is not there any more") from None
            for pair in self._pairs.values():  # in a check the picture may be of another one than is asked about
                if pair is asked or pair.first.samples in shown or pair.second.samples in shown:
                    await self._leave_out_if_broken(pair)
            return False
        return True

    async def _leave_out_if_broken(self, pair: Pair) -> None:
        try:
            await self._frames(pair, pair.first.samples, pair.second.samples, SIDE)
        except UnreadableImage as error:
            self._store.leave_out(pair.key)
            _log.warning("not asked: row %s, prompt %s has a picture that %s", pair.row, pair.prompt_id, error)

    async def _take(self, request: web.Request) -> NoReturn:
        voter = self._voter(request)
        form = await _form(request)
        answer = next((known for known in ANSWERS if known == form.get("answer")), None)
        if answer is None:
            raise web.HTTPBadRequest(text="That is no answer.")
        self._store.answer(voter, form.get("question", ""), answer)
        self._changed.set()
        raise self._redirected("vote")

    async def _undo(self, request: web.Request) -> NoReturn:
        self._store.undo(self._voter(request))
        self._changed.set()
        raise self._redirected("vote?on")

    async def _forget(self, request: web.Request) -> NoReturn:
        self._store.delete_voter(str(self._store.name_of(self._voter(request))))
        raise self._redirected("")

    async def _picture(self, request: web.Request) -> web.Response:
        question = self._store.asked_question(self._voter(request), request.match_info["question"])
        size = {"page": SIDE, "full": FULL_SIDE}.get(request.match_info["size"])
        if question is None or size is None or question.pair not in self._pairs:
            raise web.HTTPNotFound
        try:
            frames = await self._frames(self._pairs[question.pair], question.left, question.right, size)
            content = frames[request.match_info["side"]]
        except (KeyError, UnreadableImage):
            raise web.HTTPNotFound from None
        return web.Response(body=content, content_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})

    async def _frames(self, pair: Pair, left: tuple[str, ...], right: tuple[str, ...], size: int) -> dict[str, bytes]:
        """Return the frames of two sides, shown for a pair; ``source`` among them where a picture was given."""
        run = self._run
        sides = {
            name: tuple(run.image_path(sample) if sample in run.samples.index else None for sample in samples)
            for name, samples in (("left", left), ("right", right))
        }
        if pair.sources:
            sides["source"] = tuple(run.source_path(name) for name in pair.sources)
        try:
            return await asyncio.shield(self._framing(size, tuple(sides.items())))
        except UnreadableImage:
            self._framing.cache_clear()  # it may be there again
            raise

    def _voter(self, request: web.Request) -> str:
        """Return the id of who is asking; whoever has not said a name is sent to the page that asks for it."""
        voter = _cookie(request)
        if self._store.name_of(voter) is None:
            raise self._redirected("")
        return voter

    def _redirected(self, page: str) -> web.HTTPSeeOther:
        return web.HTTPSeeOther(f"{self._root}/{page}")

    def _page(self, template: str, status: int = 200, **page: object) -> web.Response:
        text = rendered(template, root=self._root, **page)
        return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})


def _cookie(request: web.Request) -> str:
    voter = request.cookies.get(_COOKIE, "")
    return voter if voter.isascii() else ""  # of other bytes no browser's cookie is made


def _address(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")


async def _form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form as the pages send it."""
    if request.content_type == "application/x-www-form-urlencoded":
        with contextlib.suppress(ValueError, LookupError, web.RequestPayloadError):
            return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    raise web.HTTPBadRequest(text="That is no form of this page.")


def _is_of_the_server(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (http_exceptions.HttpProcessingError, web.RequestPayloadError))


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(
        {
            "Content-Security-Policy": content_policy(),
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
    )
    response.headers.pop("Server", None)  # versions of this machine's packages


async def serve(application: web.Application, host: str, port: int, started: Callable[[int], None]) -> None:
    """Serve until the process is told to end (SIGINT, SIGTERM); ``started`` is called with the port.

    Raises
    ------
    OSError
        If the address is taken or not this machine's.
    """
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ended = asyncio.Event()
        for kind in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(kind, ended.set)
        started(runner.addresses[0][1])
        await ended.wait()
    finally:
        await runner.cleanup()
