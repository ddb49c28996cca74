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

from assay.errors import AssayError, Unreachable, UsageError
from assay.labels.page.guard import Guard
from assay.labels.page.render import blocks, choices, reflowed
from assay.labels.queue import Progress, annotator_name
from assay.labels.session import Desk, Item

FOLDER = Path(__file__).parent
REFRESH_AFTER_S = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """The routes around one desk."""

    desk: Desk
    templates: jinja2.Environment

    def home(self, request: Request) -> Response:
        """Asks for a name, and says how far everybody is."""
        self.desk.refresh(after_s=REFRESH_AFTER_S)
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
        item = self.desk.next_item(person)
        if item is None:
            self.desk.refresh(after_s=REFRESH_AFTER_S)
            item = self.desk.next_item(person)
        text = self._rendered("label.html", person=person, task=self.desk.task.name, item=self._item(person, item))
        return HTMLResponse(text)

    def look(self, request: Request) -> Response:
        """The item before or after one, as a piece of the page."""
        person = annotator_name(request.path_params["person"])
        step = -1 if request.query_params.get("step") == "back" else 1
        return self._piece(person, self.desk.beside(person, request.query_params.get("from", ""), step=step))

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
        self.desk.save(person, said["assignment_id"], said["choice"], said["note"])
        return self._piece(person, self.desk.next_item(person))

    def _undo(self, person: str) -> Response:
        return self._piece(person, self.desk.undo(person) or self.desk.next_item(person))

    def _piece(self, person: str, item: Item | None) -> Response:
        return JSONResponse({"html": self._item(person, item)})

    def _item(self, person: str, item: Item | None) -> str:
        if item is None:
            return self._rendered("done.html", person=person, progress=self._progress(person))
        return self._rendered("item.html", item=item, choices=choices(item), blocks=blocks, reflowed=reflowed)

    def _progress(self, person: str) -> Progress:
        return next(found for found in self.desk.progress(person) if found.annotator == person)

    def _home(self, mistake: str | None, status: int) -> Response:
        text = self._rendered(
            "home.html", task=self.desk.task, people=self.desk.progress(), desk=self.desk, mistake=mistake
        )
        return HTMLResponse(text, status)

    def _rendered(self, name: str, **values: Any) -> str:
        return self.templates.get_template(name).render(values)


def make_app(desk: Desk, *, key: str, hosts: tuple[str, ...]) -> Guard:
    """The web application around a desk; `hosts` are the names under which it may be asked."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER / "templates"), autoescape=True)
    page = Page(desk, environment)
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
    return Guard(app, key, hosts, f"assay_review_{desk.task.name}")


def _told(status: int) -> Callable[[Request, Exception], Response]:
    """An error as the page shows it; what may go away by itself is a 503, so that the page tries again."""

    def answer(request: Request, error: Exception) -> Response:
        code = 503 if isinstance(error, Unreachable) else status
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
