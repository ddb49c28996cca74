"""The one rule for SQL that people state (`assay query`, `--input`, `input.source`): a single SELECT statement.

The text alone decides before anything is sent, because the emulator executes scripts in a dry run; BigQuery's own type of
the statement, from a dry run, decides afterwards. The lexical rules are those of GoogleSQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from assay.errors import UsageError

READING, SCRIPT = "SELECT", "SCRIPT"
READS = frozenset({"SELECT", "WITH", "FROM"})
"""Words that begin a query; FROM begins one in pipe syntax."""
OTHERS = frozenset(
    [
        "ALTER",
        "ANALYZE",
        "ASSERT",
        "BEGIN",
        "CALL",
        "CASE",
        "COMMIT",
        "CREATE",
        "DECLARE",
        "DEFINE",
        "DELETE",
        "DESCRIBE",
        "DROP",
        "EXECUTE",
        "EXPLAIN",
        "EXPORT",
        "FOR",
        "GRANT",
        "IF",
        "IMPORT",
        "INSERT",
        "LOAD",
        "LOOP",
        "MERGE",
        "RAISE",
        "RENAME",
        "REPEAT",
        "RETURN",
        "REVOKE",
        "ROLLBACK",
        "SET",
        "SHOW",
        "START",
        "TRUNCATE",
        "UNDROP",
        "UPDATE",
        "WHILE",
    ]
)
PIPE_WRITES = frozenset({"CREATE", "DELETE", "EXPORT", "INSERT", "MERGE", "UPDATE"})
"""Operators of pipe syntax that write."""
WORD = "word"
FOLLOW_IN_NAMES = ".:$/\\-"
"""Characters that follow a word in the name of a file or table, as in `set.csv` and `load-data.v1`."""
TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | (?: -- | \# ) [^\r\n]* | /\* .*? \*/ )
    | (?P<literal>
        (?: [rR][bB]? | [bB][rR]? )?
        (?: '''(?: \\. | [^\\] )*?''' | \"{3}(?: \\. | [^\\] )*?\"{3}
          | '(?!'')(?: \\[^\r\n] | [^'\\\r\n] )*' | "(?!"")(?: \\[^\r\n] | [^"\\\r\n] )*" )
      )
    | (?P<quoted> `(?: \\[^\r\n] | [^`\\\r\n] )*` )
    | (?P<unclosed> ['"`] | /\* )
    | (?P<word> [^\W\d]\w* )
    | (?P<mark> \|> | . )
    """,
    re.DOTALL | re.VERBOSE,
)
READ_DIFFERENTLY = re.compile(
    r"""
    (?: -- | \# ) [^\r\n]* \r (?!\n)                          # the end of a comment
    | [rR][bB]? (['"]) (?: .*? \\ \1 )                        # a raw text
    | ` (?: .*? \\ ` )                                        # a quoted name
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    form: str
    text: str
    start: int

    @property
    def is_word(self) -> bool:
        return self.form == WORD


def require_select(found: str, *, what: str) -> None:
    """Checks the kind of a statement, as `statement_kind` or BigQuery states it.

    Raises:
        UsageError: it is not a single SELECT; `what` names the command or setting that states the SQL.
    """
    if found != READING:
        raise UsageError(
            f"{what}: expected a single SELECT statement, found {found}",
            next_step="nothing was executed: state one SELECT, without other statements.",
        )


def statement_kind(sql: str) -> str:
    """Returns SELECT for one query, otherwise what the text is: the first word of a statement, SCRIPT, nothing, …

    Brackets, comments and WITH may precede the SELECT, and one semicolon may follow it.
    """
    tokens = []
    for token in _tokens(sql):
        if token.form == "unclosed":
            line = 1 + len(re.findall(r"\r\n?|\n", sql[: token.start]))
            return f"{token.text} in line {line} that is not closed"
        if token.form != "blank":
            tokens.append(token)
    if tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        return "nothing"
    if any(token.text == ";" for token in tokens):
        return SCRIPT
    if ";" in sql.rstrip("; \t\r\n") and any(map(_is_read_differently, _tokens(sql, with_line_ends=True))):
        return "a semicolon and a text, name or comment that ends at different places in different SQL dialects"
    return _kind(tokens)


def is_statement(text: str) -> bool:
    """True if the text is meant as SQL, of whatever kind: not the name of a file or table."""
    words = [token for token in _tokens(text) if token.form != "blank"]
    brackets = next((index for index, token in enumerate(words) if token.text != "("), len(words))
    if brackets == len(words) or not words[brackets].is_word:
        return False
    first = words[brackets]
    after = text[first.start + len(first.text) :]
    if not after or (after[0] in FOLLOW_IN_NAMES and not after.startswith(("--", "/*"))):
        return False
    return first.text.upper() in (READS if brackets else READS | OTHERS)


def _tokens(sql: str, *, with_line_ends: bool = False) -> Iterator[_Token]:
    """The tokens of the text with its comments and blanks, up to the first that is not closed.

    `with_line_ends` adds to a comment the characters after it.
    """
    for match in TOKEN.finditer(sql):
        end = match.end() + (with_line_ends and match.lastgroup == "blank") * 2
        form = match.lastgroup or "mark"
        yield _Token(form, sql[match.start() : end], match.start())
        if form == "unclosed":
            return


def _is_read_differently(token: _Token) -> bool:
    """True for a token that GoogleSQL and the emulator end at different places."""
    return token.form in ("blank", "literal", "quoted") and READ_DIFFERENTLY.match(token.text) is not None


def _kind(tokens: Sequence[_Token]) -> str:
    words = [token.text.upper() if token.is_word else token.text for token in tokens]
    for operator, following in pairwise(words):
        if operator == "|>" and following in PIPE_WRITES:
            return f"{operator} {following}"
    position = 0
    while position < len(words) and words[position] in ("(", "WITH"):
        is_with = words[position] == "WITH"
        position = _after_expressions(words, position + 1) if is_with else position + 1
    if position < len(words):
        return READING if words[position] in READS else words[position]
    return "WITH without SELECT" if "WITH" in words else "nothing"


def _after_expressions(words: Sequence[str], position: int) -> int:
    """The position of the first word after the common table expressions, which begin at `position`."""
    depth, previous = 0, ""
    while position < len(words):
        word = words[position]
        if depth == 0 and previous == ")" and word not in (",", "AS"):
            if word != "WITH":
                return position
            position = _after_depth_modifier(words, position)
            word = words[position] if position < len(words) else ""
            if word != ",":
                return position
        depth += (word == "(") - (word == ")")
        previous = word
        position += 1
    return position


def _after_depth_modifier(words: Sequence[str], position: int) -> int:
    """The position of the comma or query after `WITH DEPTH …` of a recursive expression."""
    while position < len(words) and words[position] not in (",", "(", "SELECT", "FROM", *OTHERS):
        position += 1
    return position
