"""The labeling page in a real browser: by keyboard alone, by several people at once, over reloads and restarts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.landed_run import Answer, answers
from tests.labels.conftest import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

Staged = Callable[..., Stage]
Tab = Callable[..., "Page"]
CHANGED = "before => document.querySelector('.item').dataset.assignment !== before"
SAVED = "() => document.getElementById('status').textContent.startsWith('Saved')"
NASTY = [
    "<script>window.pwned = 1</script>",
    "</div></article><h1>broken</h1>",
    "\"quotes\" 'single' &amp; &lt;b&gt; {{ 7 * 7 }} {% raw %}",
    "<img src=x onerror='window.pwned = 1'>",
    "javascript:window.pwned=1",
]


def shown(page: Page) -> str:
    return str(page.locator(".item").get_attribute("data-assignment"))


def record(page: Page) -> str:
    return page.locator(".id").inner_text()


def press(page: Page, key: str, *, changes: bool = True) -> None:
    """The key is pressed and, where it changes the item, the next one is there."""
    before = shown(page)
    page.keyboard.press(key)
    if changes:
        page.wait_for_function(CHANGED, arg=before)


def label_all(page: Page, key: str = "2") -> int:
    """Labels until nothing is left; returns how many."""
    count = 0
    while shown(page):
        press(page, key)
        count += 1
    return count


def test_everything_can_be_done_by_keyboard_alone(staged: Staged, tab: Tab) -> None:
    stage = staged(5)
    stage.fill()
    with stage.page() as served:
        page = tab(served.address)
        page.wait_for_selector("#name:focus")
        page.keyboard.type("Ana")
        page.keyboard.press("Enter")
        page.wait_for_selector(".choice")
        page.wait_for_url(lambda url: "key=" not in url)
        assert page.url == f"{served.origin}/label/ana"
        given = {record(page): "right"}
        press(page, "2")
        given[record(page)] = "wrong"
        page.keyboard.press("n")
        page.keyboard.type("1 look: 2 intents?")
        page.keyboard.press("Escape")
        press(page, "1")
        given[record(page)] = "right"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        press(page, "Enter")
        given[record(page)] = "cannot_tell"
        page.keyboard.press("ArrowUp")
        press(page, "Enter")
        given[record(page)] = "right"
        press(page, "2")
        assert "All done" in page.inner_text("h1")
    labels = stage.labels()
    assert {row["record_id"]: row["label"] for row in labels} == given
    assert [row["explanation"] for row in labels if row["explanation"]] == ["1 look: 2 intents?"]
    assert [row["status"] for row in labels if row["label"] == "cannot_tell"] == ["unscored"]


def test_undo_back_and_replacing_by_keyboard(staged: Staged, tab: Tab) -> None:
    stage = staged(3)
    stage.fill(annotators=("ana",))
    with stage.page("--annotator", "ana") as served:
        page = tab(served.address)
        first = record(page)
        press(page, "2")
        second = record(page)
        press(page, "2")
        press(page, "u")
        assert record(page) == second
        assert page.locator("[aria-pressed=true]").count() == 0
        press(page, "ArrowLeft")
        assert record(page) == first
        assert page.locator("[aria-pressed=true]").get_attribute("data-choice") == "right"
        press(page, "1")
        assert record(page) == second
    assert {row["record_id"]: row["label"] for row in stage.labels()} == {first: "wrong", second: "withdrawn"}


def test_the_help_opens_and_keys_do_nothing_while_it_is_open(staged: Staged, tab: Tab) -> None:
    stage = staged(2)
    stage.fill()
    with stage.page("--annotator", "ana") as served:
        page = tab(served.address)
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        press(page, "2", changes=False)
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()
        press(page, "2")
    assert len(stage.labels()) == 1


def test_what_has_the_focus_is_seen(staged: Staged, tab: Tab) -> None:
    stage = staged(1)
    stage.fill()
    with stage.page("--annotator", "ana") as served:
        page = tab(served.address)
        page.keyboard.press("ArrowDown")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth")  # fmt: skip
        assert outline == "solid3px"


def test_two_people_at_once_lose_nothing_and_double_nothing(staged: Staged, tab: Tab) -> None:
    stage = staged(20)
    stage.fill(size=20, per_item=1)
    with stage.page() as served:
        pages = {person: tab(served.of(person)) for person in ("ana", "ben")}
        shown_at_once = {shown(page) for page in pages.values()}
        done: Counter[str] = Counter()
        while any(shown(page) for page in pages.values()):
            for person, page in pages.items():  # both keys are on their way before either answer is awaited
                if shown(page):
                    page.keyboard.press("2" if person == "ana" else "1")
                    done[person] += 1
            for page in pages.values():
                page.wait_for_function("() => !document.querySelector('.saving')")
    labels = stage.labels()
    assert len(shown_at_once) == 2
    assert Counter(row["record_id"] for row in labels) == dict.fromkeys((f"r{n:04}" for n in range(20)), 1)
    assert Counter(row["annotator"] for row in labels) == done
    assert {row["label"] for row in labels if row["annotator"] == "ana"} == {"right"}
    assert {row["label"] for row in labels if row["annotator"] == "ben"} == {"wrong"}


def test_two_browsers_of_one_person_do_not_double(staged: Staged, tab: Tab) -> None:
    stage = staged(8)
    stage.fill(annotators=("ana",))
    with stage.page() as served:
        one, two = tab(served.of("ana")), tab(served.of("ana"))
        assert shown(one) == shown(two)
        while shown(one) or shown(two):
            for page in (one, two):
                if shown(page):
                    press(page, "2")
    labels = stage.labels()
    assert len(labels) == 8
    assert {row["label"] for row in labels} == {"right"}
    assert {row["annotator"] for row in stage.queue()} == {"ana"}


def test_a_reload_goes_on_where_one_left(staged: Staged, tab: Tab) -> None:
    stage = staged(4)
    stage.fill(annotators=("ana",))
    with stage.page("--annotator", "ana") as served:
        page = tab(served.address)
        for _ in range(2):
            press(page, "2")
        here = shown(page)
        page.reload()
        assert shown(page) == here
        assert page.inner_text(".progress").strip() == "3 of 4"


def test_a_killed_server_loses_no_label_and_the_page_says_how_to_go_on(staged: Staged, tab: Tab) -> None:
    stage = staged(4)
    stage.fill(annotators=("ana",))
    with stage.page() as served:
        port, page = served.port, tab(served.of("ana"))
        press(page, "2")
        served.process.kill()
        served.process.wait()
        here = record(page)
        press(page, "1", changes=False)
        page.wait_for_selector("#trouble:not([hidden])")
        assert page.inner_text("#trouble").startswith("Not saved yet, retrying.")
        with stage.page(port=port) as again:
            page.wait_for_function("() => document.getElementById('trouble').textContent.includes('new address')")
            assert again.of("ana") != served.of("ana")
            page.goto(again.of("ana"))
            page.wait_for_function(SAVED)
            assert page.locator("#trouble").is_hidden()
            assert label_all(page) == 2
    labels = {row["record_id"]: row["label"] for row in stage.labels()}
    assert len(labels) == 4
    assert labels[here] == "wrong"


def test_a_label_that_was_not_saved_outlives_the_page(staged: Staged, tab: Tab) -> None:
    stage = staged(2)
    stage.fill(annotators=("ana",))
    with stage.page() as served:
        port, page = served.port, tab(served.of("ana"))
        here = record(page)
        served.process.kill()
        served.process.wait()
        press(page, "1", changes=False)
        page.wait_for_selector("#trouble:not([hidden])")
        page.goto("about:blank")
        with stage.page(port=port) as again:
            page.goto(again.of("ana"))
            page.wait_for_function(SAVED)
            assert record(page) != here
    assert [(row["record_id"], row["label"]) for row in stage.labels()] == [(here, "wrong")]


@pytest.mark.parametrize("text", NASTY)
def test_what_a_model_answers_is_shown_and_never_run(staged: Staged, tab: Tab, text: str) -> None:
    stage = staged(
        [Answer(record_id=text, input={text: text, "list": [text]}, output={"label": text, text: {"a": text}})]
    )
    stage.fill()
    messages: list[str] = []
    with stage.page("--annotator", "ana") as served:
        page = tab("about:blank")
        page.on("console", lambda message: messages.append(message.text))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.goto(served.address)
        page.wait_for_url(lambda url: "key=" not in url, wait_until="domcontentloaded")
        assert page.evaluate("window.pwned") is None
        assert page.locator("#item script, #item img, #item h1").count() == 0
        assert page.locator(".output .text").first.inner_text() == text
        assert record(page) == text
        press(page, "2")
    assert messages == []
    assert [row["record_id"] for row in stage.labels()] == [text]


def test_a_huge_text_scrolls_in_its_place_and_can_be_shown_whole(staged: Staged, tab: Tab) -> None:
    text = "word " * 200_000
    stage = staged([Answer(record_id="huge", input={"text": text}, output={"label": "question", "note": "x" * 5000})])
    stage.fill()
    with stage.page("--annotator", "ana") as served:
        page = tab(served.address)
        height = "document.querySelector('.text.long').clientHeight"
        assert page.evaluate("document.querySelector('.text.long').textContent.length") == len(text)
        assert page.evaluate(height) < 400
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.keyboard.press("e")
        assert page.evaluate(height) > 10_000
        press(page, "2")
    assert len(stage.labels()) == 1


def test_right_to_left_text_runs_from_the_right(staged: Staged, tab: Tab) -> None:
    stage = staged([Answer(record_id="rtl", input={"text": "שלום, מתי?"}, output={"label": "question", "note": "abc"})])
    stage.fill()
    with stage.page("--annotator", "ana") as served:
        page = tab(served.address)
        directions = "[...document.querySelectorAll('.text')].map(e => getComputedStyle(e).direction)"
        assert page.evaluate(directions) == ["rtl", "ltr", "ltr"]


def test_the_page_is_blind_to_verdicts_and_to_other_people(staged: Staged, tab: Tab) -> None:
    stage = staged(4)
    stage.fill(annotators=("ana", "ben"), per_item=2)
    with stage.page() as served:
        first = tab(served.of("ana"))
        first.keyboard.press("n")
        first.keyboard.type("secret thought")
        first.keyboard.press("Escape")
        label_all(first, "1")
        second = tab(served.of("ben"))
        sources = []
        while shown(second):
            sources.append(second.content())
            press(second, "2")
    assert len(sources) == 4
    hidden = re.compile(r"secret thought|schema_kept|\bverdict\b|s1\b|\bana\b")
    assert [found for source in sources for found in hidden.findall(source)] == []
    assert all(source.count('aria-pressed="true"') == 0 for source in sources)


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_off_a_screen_and_text_stands_out(staged: Staged, tab: Tab, width: int, scheme: str) -> None:
    stage = staged([Answer(record_id="x" * 80, input={"text": "y" * 400, "z" * 60: "1"}, output=answers(1)[0].output)])
    stage.fill()
    with stage.page("--annotator", "ana") as served:
        page = tab(served.address, viewport={"width": width, "height": 700}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert contrast(page, ".text") >= 7
        assert contrast(page, ".choice small") >= 4.5


def test_an_unknown_host_or_no_key_gets_no_page(staged: Staged, tab: Tab) -> None:
    stage = staged(1)
    stage.fill()
    with stage.page() as served:
        page = tab("about:blank")
        assert status(page, f"{served.origin}/label/ana") == 403
        assert status(page, served.address.replace("127.0.0.1", "localhost")) == 200


@pytest.mark.parametrize("given", [(), ("--annotators", "cleo, Ana")])
def test_nobody_labels_under_a_name_that_is_not_theirs(staged: Staged, tab: Tab, given: tuple[str, ...]) -> None:
    stage = staged(2)
    stage.fill(annotators=("ana", "ben"), per_item=2)
    listed = ("cleo", "ana") if given else ("ana", "ben")
    with stage.page(*given) as served:
        assert tuple(served.addresses) == listed
        page = tab(served.addresses["ana"])
        first = record(page)
        for path in ("/", "/enter?name=cleo", "/label/cleo", "/label/dora", "/label/ben"):
            assert status(page, served.origin + path) == 403
        page.goto(served.addresses["ana"])
        for person in ("ben", "cleo"):
            save = f"""fetch('/label/{person}/save', {{method: 'POST', headers: {{'content-type': 'application/json'}},
                body: '{{"assignment_id": "{shown(page)}", "choice": "right", "note": null}}'}}).then(r => r.status)"""
            assert page.evaluate(save) == 403
        press(page, "2")
    assert [(row["record_id"], row["annotator"]) for row in stage.labels()] == [(first, "ana")]


def status(page: Page, address: str) -> int:
    response = page.goto(address)
    assert response is not None
    return response.status


def contrast(page: Page, selector: str) -> float:
    """The ratio of WCAG 2 between the element's text and the nearest background behind it."""
    colours: Any = page.evaluate(
        """selector => {
            const element = document.querySelector(selector);
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            const parts = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
            return [parts(getComputedStyle(element).color), parts(getComputedStyle(behind).backgroundColor)];
        }""",
        selector,
    )
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: list[float]) -> float:
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
