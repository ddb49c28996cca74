"""A project with a landed run and a filled queue, the labeling page as a process, and a headless browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from assay.labels.fill_queue import FillOptions, FillSummary, fill_queue
from assay.labels.session import LabelingSession
from assay.project import Project, open_project
from assay.tasks.task import Task
from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import Workplace
from tests.fakes.landed_run import Answer, answers, land_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["endpoints", "model", "name", "place"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]
QUICK_MS = 15_000
ADDRESS = re.compile(r"labeling page(?: of (?P<person>[^:]+))?: (?P<url>http://\S+)")


@dataclass
class Stage:
    """One task whose run has landed."""

    place: Workplace
    name: str

    @property
    def project(self) -> Project:
        return open_project(self.place.settings())

    @property
    def task(self) -> Task:
        return self.project.task(self.name)

    def fill(self, **options: Any) -> FillSummary:
        """The queue holds a sample."""
        chosen = FillOptions(**{"purpose": "calibration", "size": 100, **options})
        return fill_queue(self.project, self.task, chosen)[0]

    def desk(self, **options: Any) -> LabelingSession:
        return LabelingSession(self.project, self.task, **options)

    def labels(self) -> list[dict[str, Any]]:
        """The labels that stand, as staging would keep them."""
        sql = """
            select record_id, annotator, label, passed, value, status, explanation
            from scores
            where task = @task and scorer_kind = 'human'
            qualify row_number() over (partition by score_id order by landed_at desc, occurred_at desc) = 1
            order by record_id, annotator
        """
        return self.place.query(sql, task=self.name)

    def queue(self) -> list[dict[str, Any]]:
        """The assignments as they stand."""
        sql = """
            select *
            from annotations_queue
            where task = @task
            qualify row_number() over (partition by assignment_id order by landed_at desc, occurred_at desc) = 1
            order by role desc, position, slot
        """
        return self.place.query(sql, task=self.name)

    @contextmanager
    def page(self, *arguments: str, port: int = 0) -> Iterator[Served]:
        """The page is served by the command; its addresses are known."""
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        given = options.get("--annotator") or options.get("--annotators")
        expected = len(given.split(",") if given else self.desk().listed) or 1
        process = self.place.start("review", self.name, "--port", str(port), *arguments)
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(expected)]
            if not lines[-1]:
                raise RuntimeError(process.stderr.read() if process.stderr else "no address")
            found = (ADDRESS.fullmatch(line.strip()) for line in lines)
            yield Served({match["person"] or "": match["url"] for match in found if match}, process)
        finally:
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class Served:
    """The addresses that the command printed, by person, and its process; that of the home page has the name ''."""

    addresses: Mapping[str, str]
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        """The first address."""
        return next(iter(self.addresses.values()))

    @property
    def origin(self) -> str:
        return "/".join(self.address.split("/")[:3])

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    @property
    def key(self) -> str:
        return self.address.partition("key=")[2]

    def of(self, person: str) -> str:
        """The address of one person's page: their own or, if anyone may label, that of who has entered the name."""
        if person in self.addresses:
            return self.addresses[person]
        with httpx.Client(timeout=30, follow_redirects=False) as client:
            client.get(self.addresses[""])
            entered = client.get(f"{self.origin}/enter", params={"name": person})
        return self.origin + entered.headers["location"]


@pytest.fixture
def staged(place: Workplace, name: str) -> Callable[..., Stage]:
    """Makes the stage from answers."""

    def make(given: list[Answer] | int = 6, **edits: Any) -> Stage:
        place.task(name, **edits)
        land_run(place.warehouse(), name, answers(given) if isinstance(given, int) else given)
        return Stage(place, name)

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make install")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own: no cookie or storage is shared."""
    contexts = []

    def open_at(address: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(QUICK_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        # The page that sets the cookie opens the next one.
        page.wait_for_url(lambda url: "key=" not in url, wait_until="domcontentloaded", timeout=4 * QUICK_MS)
        return page

    yield open_at
    for context in contexts:
        context.close()
