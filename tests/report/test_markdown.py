"""No text of the data is live in Markdown, as a renderer of GitHub's Markdown shows it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from assay.errors import printable
from assay.evaluation.render import page_markdown
from assay.formatting.markdown import escaped, markdown_table

LIVE = [
    "@octocat please look",
    "(@org/team)",
    "mail kim@example.org",
    "fixes #123",
    "org/repo#7 and GH-12",
    "org/repo@1a2b3c4d5e6f",
    "reverts 1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d",
    "https://evil.test/a_b?c=d",
    "www.evil.test",
    "<https://evil.test>",
    "[x](https://evil.test) [y](javascript:alert(1))",
    "![x](https://evil.test/pixel.png)",
    "[x]: https://evil.test\n[x]",
    "<img src=x onerror=alert(1)>",
    "<!-- hidden --> shown",
    "<script>alert(1)</script>",
    "`code` ``@octocat`` `#1",
    "\\`@octocat\\` \\@octocat \\\\#1",
    "a | b \\| c | @octocat|#1",
    "line\n\n# heading\r\n| row |\u2028next",
    "**bold** ~~gone~~ __under__ *it*",
    "&#64;octocat &amp; &lt;b&gt;",
    "right\u202eto left\u2066 \x1b[31m",
    "- [ ] task",
    "$x^2$ and $$y$$",
    "$`x`$ costs $1",
]


class Shown(HTMLParser):
    """Tags, text in code spans and other text of a rendered page."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.comments: list[str] = []
        self.texts: list[tuple[bool, str]] = []
        self._in_code = False
        self.feed(MarkdownIt("gfm-like", {"html": True}).render(markdown))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self._in_code = self._in_code or tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self._in_code = self._in_code and tag != "code"

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.texts.append((self._in_code, data))


REFERENCE = re.compile(r"@\w|#\d|GH-\d|\b[0-9a-f]{7,40}\b", re.IGNORECASE)
"""What GitHub makes live in text outside code, besides links."""


def test_the_renderer_makes_live_what_is_not_escaped() -> None:
    tags = set().union(*(Shown(text).tags for text in LIVE))

    assert {"a", "img", "script", "strong", "s", "h1"} <= tags


@pytest.mark.parametrize("text", LIVE)
def test_a_cell_shows_its_text_and_nothing_is_live(text: str) -> None:
    shown = Shown("\n".join(markdown_table(("name", "text"), [("a", text), ("b", "last")])))

    assert shown.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert shown.comments == []
    assert REFERENCE.findall(" ".join(part for in_code, part in shown.texts if not in_code)) == []
    whole = " ".join("".join(part for _, part in shown.texts).split())
    assert whole == f"name text a {' '.join(printable(text).split())} b last"


def test_a_pair_of_dollars_is_no_formula_and_one_alone_stays() -> None:
    assert [escaped(text) for text in ("$a$", "a $0.05", "$1 or $2")] == [r"\$a\$", "a $0.05", r"\$1 or \$2"]


@pytest.mark.parametrize("text", LIVE)
def test_a_comment_on_a_pull_request_shows_data_that_is_not_live(text: str) -> None:
    page = page_markdown(text, [("fact", text)], [(text, ("a",), [(text,)])], [text])
    shown = Shown(page)

    assert not shown.tags & {"a", "img", "script", "s", "em", "input"}
    assert shown.comments == []
    assert REFERENCE.findall(" ".join(part for in_code, part in shown.texts if not in_code)) == []
