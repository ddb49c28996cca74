"""The page's addresses: who is labelling, the next item, a label, a step back.

Each answer that changes something is sent after the warehouse has it.
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
from assay.labels.page.guard import Guard
from assay.labels.page.render import blocks, choices, reflowed
from assay.labels.queue import LabelingProgress, annotator_name
from assay.labels.session import LabelingItem, LabelingSession

FOLDER = Path(__file__).parent
REFRESH_AFTER_S = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelingPage:
    """The routes around one session."""

    session: LabelingSession
    templates: jinja2.Environment

    def home(self, request: Request) -> Response:
        """Asks for a name, and says how far everybody is."""
        self.session.refresh(after_s=REFRESH_AFTER_S)
        return self._home(None, 200)

    def enter(self, request: Request) -> Response:
        """Goes to the page of the name given."""
        try:
            person = annotator_name(request.query_params.get("name", ""))
        except UsageError as error:
            return self._home(str(error), 400)
        return RedirectResponse(f"/label/{quote(person, safe='')}", 303)

    def label(self, request: Request) -> Response:
        """The page on which one person labels, at the item where they left."""
        try:
            person = annotator_name(request.path_params["person"])
        except UsageError as error:
            return self._home(str(error), 400)
        item = self.session.next_item(person)
        if item is None:
            self.session.refresh(after_s=REFRESH_AFTER_S)
            item = self.session.next_item(person)
        text = self._rendered("label.html", person=person, task=self.session.task.name, item=self._item(person, item))
        return HTMLResponse(text)

    def look(self, request: Request) -> Response:
        """The item before or after one, as a piece of the page."""
        person = annotator_name(request.path_params["person"])
        step = -1 if request.query_params.get("step") == "back" else 1
        return self._piece(person, self.session.beside(person, request.query_params.get("from", ""), step=step))

    async def save(self, request: Request) -> Response:
        """The label is landed; answers with the next item."""
        person = annotator_name(request.path_params["person"])
        body = await request.body()
        return await run_in_threadpool(self._save, person, body)

    async def undo(self, request: Request) -> Response:
        """The last label is withdrawn; answers with its item."""
        person = annotator_name(request.path_params["person"])
        await request.body()
        return await run_in_threadpool(self._undo, person)

    def _save(self, person: str, body: bytes) -> Response:
        said = _said(body)
        self.session.save(person, said["assignment_id"], said["choice"], said["note"])
        return self._piece(person, self.session.next_item(person))

    def _undo(self, person: str) -> Response:
        return self._piece(person, self.session.undo(person) or self.session.next_item(person))

    def _piece(self, person: str, item: LabelingItem | None) -> Response:
        return JSONResponse({"html": self._item(person, item)})

    def _item(self, person: str, item: LabelingItem | None) -> str:
        if item is None:
            return self._rendered("done.html", person=person, progress=self._progress(person))
        return self._rendered("item.html", item=item, choices=choices(item), blocks=blocks, reflowed=reflowed)

    def _progress(self, person: str) -> LabelingProgress:
        return next(found for found in self.session.progress(person) if found.annotator == person)

    def _home(self, mistake: str | None, status: int) -> Response:
        text = self._rendered(
            "home.html", task=self.session.task, people=self.session.progress(), session=self.session, mistake=mistake
        )
        return HTMLResponse(text, status)

    def _rendered(self, name: str, **values: Any) -> str:
        return self.templates.get_template(name).render(values)


def make_app(session: LabelingSession, *, key: str, hosts: tuple[str, ...]) -> Guard:
    """The web application around a session; `hosts` are the names under which it may be asked."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER / "templates"), autoescape=True)
    page = LabelingPage(session, environment)
    routes = [
        Route("/", page.home),
        Route("/enter", page.enter),
        Route("/label/{person}", page.label),
        Route("/label/{person}/beside", page.look),
        Route("/label/{person}/save", page.save, methods=["POST"]),
        Route("/label/{person}/undo", page.undo, methods=["POST"]),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]
    app = Starlette(routes=routes, exception_handlers={AssayError: _told(409), ValueError: _told(400)})
    return Guard(app, key, hosts, f"assay_review_{session.task.name}")


def _told(status: int) -> Callable[[Request, Exception], Response]:
    """An error as the page shows it; what may go away by itself is a 503, so that the page tries again."""

    def answer(request: Request, error: Exception) -> Response:
        code = 503 if isinstance(error, ServiceUnreachable) else status
        return JSONResponse({"message": str(error)}, code)

    return answer


def _said(body: bytes) -> dict[str, Any]:
    """What the page sent.

    Raises:
        ValueError: it is nothing that the page sends.
    """
    said = orjson.loads(body)
    if not isinstance(said, dict):
        raise ValueError("Expected an object with assignment_id, choice and note.")
    note = said.get("note")
    if not isinstance(said.get("assignment_id"), str) or not isinstance(said.get("choice"), str):
        raise ValueError("Expected texts for assignment_id and choice.")
    if note is not None and not isinstance(note, str):
        raise ValueError("Expected a text or nothing for note.")
    return {"assignment_id": said["assignment_id"], "choice": said["choice"], "note": note}
