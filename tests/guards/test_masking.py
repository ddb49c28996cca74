from __future__ import annotations

import random
import subprocess
import sys

import pytest

from assay.errors import UsageError
from assay.guards.masking import CHUNK, WITHHELD, Masker, MaskingFailed, MaskingRules, of_turn, restore

MASKER = Masker(MaskingRules())


def masked(text: str) -> str:
    return MASKER.mask({"text": text}).texts["text"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail bob@corp.internal now", "mail <EMAIL_1> now"),
        ("<bob@x.com>", "<<EMAIL_1>>"),
        ('<a href="mailto:bob@x.com?subject=hi">bob@x.com</a>', '<a href="mailto:<EMAIL_1>?subject=hi"><EMAIL_1></a>'),
        ('{"e": "bob@x.com", "p": "+14155550132"}', '{"e": "<EMAIL_1>", "p": "<PHONE_1>"}'),
        ("jörg.müller@münchen.de", "<EMAIL_1>"),
        ("用户@例子.公司", "<EMAIL_1>"),
        ("e\u0301lodie@x.fr", "<EMAIL_1>"),
        ("bob\u200b@exam\u00adple.com", "<EMAIL_1>"),
        ("ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ", "<EMAIL_1>"),
        ("bob%40x.com or bob&#64;x.com", "<EMAIL_1> or <EMAIL_2>"),
        ('"john doe"@x.com', "<EMAIL_1>"),
        ("to:bob@x.com,ann@y.org.", "to:<EMAIL_1>,<EMAIL_2>."),
        ("12 pcs @1.50, 3@2.99", "12 pcs @1.50, 3@2.99"),
    ],
)
def test_e_mail_addresses_are_masked_wherever_they_stand(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "number",
    [
        "+1 415 555 0132",
        "(212) 555-0147",
        "0044 20 7946 0958",
        "+49 30 901820",
        "+44 (0)20 7946 0958",
        "06 12 34 56 78",
        "030/901820",
        "98765 43210",
        "07400123456",
        "415.555.0132 ext. 12",
        "+1\u00a0415\u00a0555\u00a00132",
        "４１５-５５５-０１３２",
        "415–555–0132",
        "415\u200b555\u200b0132",
    ],
)
def test_phone_numbers_are_masked_as_people_write_them(number: str) -> None:
    assert masked(f"ask at {number}, please") == "ask at <PHONE_1>, please"


@pytest.mark.parametrize(
    "text",
    [
        "order 4155550132",
        "Order #4155550132",
        "INV-4155550132",
        "invoice no. 2024-001234",
        "2024-11-23 10:15",
        "on 23.11.2024",
        "1,234,567.89 or 12.345.678",
        "192.168.0.1",
        "550e8400-e29b-41d4-a716-446655440000",
        "1700000000000",
        "in 1990-1995",
        "10000000 rows",
    ],
)
def test_order_numbers_dates_and_amounts_are_not_phones(text: str) -> None:
    assert masked(text) == text


def test_a_word_that_speaks_of_a_phone_decides_for_bare_digits() -> None:
    assert masked("call 5550132, order number 5550132") == "call <PHONE_1>, order number 5550132"


@pytest.mark.parametrize(
    "number", ["536-22-1234", "000-12-3456", "123-45-6789", "536 22 1234", "５３６-２２-１２３４", "536‑22‑1234"]
)
def test_a_social_security_number_needs_no_context(number: str) -> None:
    assert masked(f"it is {number}") == "it is <SSN_1>"


def test_nine_bare_digits_are_a_social_security_number_only_beside_the_word() -> None:
    assert masked("SSN 536221234") == "SSN <SSN_1>"
    assert masked("item 536221234") == "item 536221234"


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111",
        "4111-1111-1111-1111",
        "4111 1111 1111 1111",
        "4111 1111\u00a01111 1111",
        "3782 822463 10005",
        "2223000048400011",
        "6759649826438453",
    ],
)
def test_a_card_is_a_card_and_not_a_phone(number: str) -> None:
    assert masked(f"paid 12 {number} 12/25") == "paid 12 <CARD_1> 12/25"


def test_a_number_with_a_wrong_luhn_digit_is_no_card() -> None:
    assert masked("4111111111111112") == "4111111111111112"


@pytest.mark.parametrize(
    "number",
    [
        "GB82 WEST 1234 5698 7654 32",
        "de89370400440532013000",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NO93-8601-1117-947",
    ],
)
def test_an_iban_is_masked_in_any_grouping_and_case(number: str) -> None:
    assert masked(f"to {number} 2 days ago") == "to <IBAN_1> 2 days ago"


def test_an_iban_with_a_wrong_checksum_is_left() -> None:
    assert masked("GB83WEST12345698765432") == "GB83WEST12345698765432"


def test_equal_values_share_a_placeholder_across_the_texts_of_a_record() -> None:
    result = MASKER.mask({"b": "ann@x.com", "a": "bob@x.com and ann@x.com"})
    assert result.texts == {"b": "<EMAIL_2>", "a": "<EMAIL_1> and <EMAIL_2>"}
    assert result.placeholders == {"<EMAIL_1>": "bob@x.com", "<EMAIL_2>": "ann@x.com"}
    assert result.count == 3


def test_the_order_of_columns_does_not_change_placeholders() -> None:
    texts = {"a": "bob@x.com", "b": "ann@x.com"}
    assert MASKER.mask(texts).texts == MASKER.mask(dict(reversed(texts.items()))).texts


def test_a_literal_placeholder_in_the_input_is_not_confused_on_restore() -> None:
    text = "<EMAIL_1> wrote <email_2> to bob@x.com <EMAIL_<EMAIL_3>>"
    result = MASKER.mask({"t": text})
    assert result.placeholders == {"<EMAIL_4>": "bob@x.com"}
    assert restore(result.texts["t"], result.placeholders) == text


def test_restore_goes_through_objects_and_lists_in_any_letter_case() -> None:
    value = {"to": ["<email_1>", 3, None, {"<EMAIL_1>": "cc <Email_1>, <EMAIL_9>"}]}
    assert restore(value, {"<EMAIL_1>": "a@x.com"}) == {
        "to": ["a@x.com", 3, None, {"a@x.com": "cc a@x.com, <EMAIL_9>"}]
    }


def test_restore_loses_no_entry_when_two_names_become_equal() -> None:
    assert restore({"<EMAIL_1>": 1, "<email_1>": 2}, {"<EMAIL_1>": "a@x.com"}) == {"a@x.com": 1, "<email_1>": 2}


def test_an_original_that_looks_like_a_placeholder_is_put_in_as_it_is() -> None:
    assert restore("<EMAIL_1><EMAIL_2>", {"<EMAIL_1>": "<EMAIL_2>", "<EMAIL_2>": "b"}) == "<EMAIL_2>b"


def test_scrub_leaves_no_number_and_no_way_back() -> None:
    assert MASKER.scrub("ann@x.com, bob@x.com, 536-22-1234") == "<EMAIL>, <EMAIL>, <SSN>"


def test_anything_that_goes_wrong_fails_closed_without_quoting_the_text() -> None:
    with pytest.raises(MaskingFailed, match=r"\(TypeError\) for one of the texts 'body'") as failure:
        MASKER.mask({"body": ["ann@x.com"]})  # type: ignore[dict-item]
    assert "ann" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_scrub_withholds_what_it_cannot_mask() -> None:
    assert MASKER.scrub(["ann@x.com"]) == WITHHELD  # type: ignore[arg-type]


def test_masking_that_is_off_changes_nothing_and_says_so() -> None:
    off = Masker(MaskingRules(enabled=False))
    assert off.mask({"t": "ann@x.com"}).texts == {"t": "ann@x.com"}
    assert off.scrub("ann@x.com") == "ann@x.com"
    assert off.rules.version == "off"


def test_the_version_depends_on_the_entities_and_not_on_their_order() -> None:
    assert (
        MaskingRules(entities=("US_SSN", "IBAN_CODE")).version == MaskingRules(entities=("IBAN_CODE", "US_SSN")).version
    )
    assert MaskingRules(entities=("US_SSN",)).version != MaskingRules().version


def test_a_card_stays_no_phone_when_cards_are_not_masked() -> None:
    only_phones = Masker(MaskingRules(entities=("PHONE_NUMBER",)))
    assert only_phones.scrub("4111 1111 1111 1111, 415-555-0132") == "4111 1111 1111 1111, <PHONE>"


def test_an_unknown_entity_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'PERSON' is unknown: expected any of EMAIL_ADDRESS"):
        MaskingRules(entities=("PERSON",))


def test_a_long_text_is_masked_in_chunks_without_a_seam() -> None:
    rng = random.Random(7)
    values = [
        "ann@example.com",
        "+1 415 555 0132",
        "4111 1111 1111 1111",
        "call 5550132",
        "GB82 WEST 1234 5698 7654 32",
    ]
    for shift in range(0, 60, 3):
        text = "".join((f"{'x' * (CHUNK - shift)} ", rng.choice(values), " ", "y" * CHUNK, " ", rng.choice(values)))
        result = MASKER.mask({"t": text})
        assert result.count == 2
        assert restore(result.texts["t"], result.placeholders) == text


def test_random_mixtures_come_back_as_they_were() -> None:
    rng = random.Random(11)
    pieces = [
        "ann@x.com",
        "+1 415 555 0132",
        "4111111111111111",
        "<EMAIL_1>",
        "<phone_2>",
        "<",
        "1",
        "@",
        " ",
        "\u200b",
        "é",
        "536-22-1234",
        "-",
        "GB82WEST12345698765432",
    ]
    for _ in range(400):
        texts = {name: "".join(rng.choices(pieces, k=rng.randint(0, 12))) for name in "ab"}
        result = MASKER.mask(texts)
        assert restore(result.texts, result.placeholders) == texts


def test_no_socket_is_opened() -> None:
    code = (
        "import sys; seen = []; sys.addaudithook(lambda event, _: seen.append(event) if event.startswith('socket.') else None)\n"
        "from assay.guards.masking import Masker, MaskingRules\n"
        "assert Masker(MaskingRules()).scrub('bob@example.co.uk +14155550132') == '<EMAIL> <PHONE>'\n"
        "sys.exit(any(event in ('socket.connect', 'socket.getaddrinfo') for event in seen))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_presidio_is_loaded_with_the_first_text_and_not_on_import() -> None:
    code = "import sys, assay.guards.masking as m; m.Masker(m.MaskingRules()).rules.version; sys.exit('presidio_analyzer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_placeholder_of_an_earlier_turn_is_not_restored_as_one_of_this_turn() -> None:
    earlier = of_turn('{"note": "<EMAIL_1> and <email_12>, not <NOTHING_1>"}', 3)
    assert earlier == '{"note": "<EMAIL_1_OF_TURN_3> and <email_12_OF_TURN_3>, not <NOTHING_1>"}'
    assert restore(earlier, {"<EMAIL_1>": "bob@x.com", "<EMAIL_12>": "ann@x.com"}) == earlier
    assert of_turn(earlier, 4) == earlier
