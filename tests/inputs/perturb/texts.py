"""Texts in many scripts, and random ones made of them, that every perturbation must survive."""

from __future__ import annotations

import random
import unicodedata

EMPTY = ("", " ", "\n\t ", "\u00a0")
SCRIPTS = {
    "latin": "The invoice of March is wrong. Please send the corrected amount to my office before Friday.",
    "combining": "Cafe\u0301 re\u0301sume\u0301 nai\u0308ve voila\u0300 cre\u0302pes garc\u0327on mouillé bouilloire",
    "emoji": "Thanks 👩‍👩‍👧‍👦 for the parcel 👍🏽 from 🇩🇪🇫🇷 ❤️ arrived broken 🏳️‍🌈 yesterday evening",
    "cjk": "請求書の金額が間違っています。金曜日までに正しい請求書を送ってください。감사합니다 안녕히 계세요",
    "rtl": "הזמנתי מחשב לפני שבועיים ועדיין לא קיבלתי אותו أين طلبي الذي اشتريته قبل أسبوعين من المتجر",
    "devanagari": "मेरा आदेश अभी तक नहीं पहुँचा है कृपया बताइए कि वह कब पहुँचेगा",
    "turkish": "İstanbul ve Iğdır şehirlerindeki siparişim gelmedi ıssız straße GROSSE ſtraße ŉ ﬁne",
    "crlf": "First line of the message\r\nsecond line\r\n\r\nthird line of it",
    "markup": "Please <b>refund</b> order & bill <EMAIL_1> or call <PHONE_2> tomorrow, thanks",
    "digits": "Order 4711 of 2024-05-01 for 19.99 EUR to AB12CD34 under item_number_7 arrived",
}
LONG = "Another sentence of a rather long message about deliveries. " * 20_000


def random_texts(count: int, *, seed: int = 0) -> list[str]:
    """Texts of random characters of the scripts above, in any order, with the marks that belong to them."""
    drawn = random.Random(seed)
    characters = [*clusters("".join(SCRIPTS.values())), " ", "\n", "e\u0301", "👍🏽"]
    return ["".join(drawn.choices(characters, k=drawn.randrange(1, 120))) for _ in range(count)]


def hostile_texts(count: int, *, seed: int = 0) -> list[str]:
    """Texts of random code points, among them stray marks and joiners, in any order."""
    drawn = random.Random(seed)
    characters = "".join(SCRIPTS.values()) + " \n\u200d\ufe0f\u0301\u0000\u2028<_1>"
    return ["".join(drawn.choices(characters, k=drawn.randrange(1, 120))) for _ in range(count)]


def clusters(text: str) -> list[str]:
    """Characters with what extends them: a simple reading of Unicode Annex 29, independent of the engine's."""
    found: list[str] = []
    for character in text:
        is_mark = unicodedata.category(character) in {"Mn", "Mc", "Me"} or character in "\u200c\u200d\ufe0e\ufe0f"
        if found and (is_mark or 0x1F3FB <= ord(character) <= 0x1F3FF):
            found[-1] += character
        else:
            found.append(character)
    return found
