"""The web application of the labeling page: home, next item, saving a label, undo.

The response to a change is sent only after the change has landed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import jinja2
import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from assay.errors import AssayError, ServiceUnreachable, UsageError
from assay.labels.page.guard import GuardedPage, PageKeys
from assay.labels.page.render import blocks, choices, reflowed
from assay.labels.queue import LabelingProgress, annotator_name
from assay.labels.session import LabelingItem, LabelingSession

FOLDER = Path(__file__).parent
REFRESH_AFTER_S = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelingPage:
    """The route handlers of one labeling session."""

    session: LabelingSession
    keys: PageKeys
    templates: jinja2.Environment

    def home(self, request: Request) -> Response:
        """Shows the form for the annotator's name, and the progress of all annotators."""
        self.session.refresh(after_s=REFRESH_AFTER_S)
        return self._home(None, 200)

    def enter(self, request: Request) -> Response:
        """Redirects to the page of the annotator whose name was entered."""
        try:
            person = annotator_name(request.query_params.get("name", ""))
        except UsageError as error:
            return self._home(str(error), 400)
        return RedirectResponse(self.keys.address(person), 303)

    def label(self, request: Request) -> Response:
        """Shows the page of one annotator with their next item."""
        person = annotator_name(request.path_params["person"])
        item = self.session.next_item(person)
        if item is None:
            self.session.refresh(after_s=REFRESH_AFTER_S)
            item = self.session.next_item(person)
        base = f"/label/{quote(person, safe='')}"
        html = self._render(
            "label.html", base=base, person=person, task=self.session.task.name, item=self._item(person, item)
        )
        return HTMLResponse(html)

    def look(self, request: Request) -> Response:
        """Returns the previous or next item as an HTML fragment."""
        person = annotator_name(request.path_params["person"])
        step = -1 if request.query_params.get("step") == "back" else 1
        return self._fragment(
            person, self.session.adjacent_item(person, request.query_params.get("from", ""), step=step)
        )

    async def save(self, request: Request) -> Response:
        """Lands the label and returns the next item."""
        person = annotator_name(request.path_params["person"])
        body = await request.body()
        return await run_in_threadpool(self._save, person, body)

    async def undo(self, request: Request) -> Response:
        """Withdraws the last label and returns its item."""
        person = annotator_name(request.path_params["person"])
        await request.body()
        return await run_in_threadpool(self._undo, person)

    def _save(self, person: str, body: bytes) -> Response:
        label = _parse_label(body)
        self.session.save(person, label["assignment_id"], label["choice"], label["note"])
        return self._fragment(person, self.session.next_item(person))

    def _undo(self, person: str) -> Response:
        return self._fragment(person, self.session.undo(person) or self.session.next_item(person))

    def _fragment(self, person: str, item: LabelingItem | None) -> Response:
        return JSONResponse({"html": self._item(person, item)})

    def _item(self, person: str, item: LabelingItem | None) -> str:
        if item is None:
            return self._render("done.html", person=person, progress=self._progress(person))
        return self._render("item.html", item=item, choices=choices(item), blocks=blocks, reflowed=reflowed)

    def _progress(self, person: str) -> LabelingProgress:
        return next(found for found in self.session.progress(person) if found.annotator == person)

    def _home(self, error: str | None, status: int) -> Response:
        html = self._render(
            "home.html",
            base="",
            task=self.session.task,
            people=self.session.progress(),
            session=self.session,
            error=error,
        )
        return HTMLResponse(html, status)

    def _render(self, name: str, **values: Any) -> str:
        return self.templates.get_template(name).render(values)


def make_app(session: LabelingSession, *, keys: PageKeys, hosts: tuple[str, ...]) -> GuardedPage:
    """Returns the web application of a session; `hosts` lists the accepted host names."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER / "templates"), autoescape=True)
    page = LabelingPage(session, keys, environment)
    files = StaticFiles(directory=FOLDER / "static")
    routes = [
        Route("/", page.home),
        Route("/enter", page.enter),
        Route("/label/{person}", page.label),
        Route("/label/{person}/beside", page.look),
        Route("/label/{person}/save", page.save, methods=["POST"]),
        Route("/label/{person}/undo", page.undo, methods=["POST"]),
        Mount("/label/{person}/static", files),
        Mount("/static", files),
    ]
    app = Starlette(
        routes=routes, exception_handlers={AssayError: _error_response(409), ValueError: _error_response(400)}
    )
    return GuardedPage(app, keys, hosts)


def _error_response(status: int) -> Callable[[Request, Exception], Response]:
    """Returns a handler that sends errors as JSON; a transient error has status 503, so that the page retries."""

    def respond(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the signature is Starlette's
        code = 503 if isinstance(error, ServiceUnreachable) else status
        return JSONResponse({"message": str(error)}, code)

    return respond


def _parse_label(body: bytes) -> dict[str, Any]:
    """Returns the label in a request body sent by the page.

    Raises:
        ValueError: a field is missing or has the wrong type.
    """
    sent = orjson.loads(body)
    if not isinstance(sent, dict):
        raise ValueError("Expected an object with assignment_id, choice and note.")
    note = sent.get("note")
    if not isinstance(sent.get("assignment_id"), str) or not isinstance(sent.get("choice"), str):
        raise ValueError("Expected strings for assignment_id and choice.")
    if note is not None and not isinstance(note, str):
        raise ValueError("Expected a string or null for note.")
    return {"assignment_id": sent["assignment_id"], "choice": sent["choice"], "note": note}
