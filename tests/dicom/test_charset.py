"""Character sets: the examples of PS3.5 annexes H to K, and what must hold for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicom.charset import UTF_8, can_encode, choose_charset, decode, encode

EXAMPLES = [
    # PS3.5 section H.3.1
    (
        r"\ISO 2022 IR 87",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    # PS3.5 section H.3.2
    (
        r"ISO 2022 IR 13\ISO 2022 IR 87",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J="
        b"\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
    ),
    # PS3.5 section I.2
    (
        r"\ISO 2022 IR 149",
        "Hong^Gildong=洪^吉洞=홍^길동",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ),
    # PS3.5 section J.1
    (
        "ISO_IR 192",
        "Wang^XiaoDong=王^小東",
        b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1",
    ),
    # PS3.5 section J.3
    ("GB18030", "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
    # PS3.5 section K.2
    (
        r"\ISO 2022 IR 58",
        "Zhang^XiaoDong=张^小东",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
    ),
    ("ISO_IR 100", "Äneas", b"\xc4neas"),
    ("ISO_IR 101", "Wałęsa", b"Wa\xb3\xeasa"),
    ("ISO_IR 109", "Ĵaŭdo", b"\xaca\xfddo"),
    ("ISO_IR 110", "Šķēle", b"\xa9\xf3\xbale"),
    ("ISO_IR 126", "Διονυσιος", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2"),
    ("ISO_IR 127", "قباني^لنزار", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1"),
    ("ISO_IR 138", "שרון^דבורה", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4"),
    ("ISO_IR 144", "Люкceм", b"\xbb\xee\xdace\xdc"),
    ("ISO_IR 148", "Çavuşoğlu", b"\xc7avu\xfeo\xf0lu"),
    ("ISO_IR 166", "นามสกุล", b"\xb9\xd2\xc1\xca\xa1\xd8\xc5"),
    ("ISO_IR 203", "Œuvre€", b"\xbcuvre\xa4"),
    ("ISO_IR 13", "ﾔﾏﾀﾞ", b"\xd4\xcf\xc0\xde"),
    ("GBK", "王^小东", b"\xcd\xf5^\xd0\xa1\xb6\xab"),
    (r"ISO 2022 IR 6\ISO 2022 IR 100\ISO 2022 IR 144", "Äneas^Люк", b"\x1b-A\xc4neas^\x1b-L\xbb\xee\xda"),
]

CHARSETS = sorted({charset for charset, _, _ in EXAMPLES} | {"", r"\ISO 2022 IR 159", r"\ISO 2022 IR 87"})


@pytest.mark.parametrize(("charset", "text", "raw"), EXAMPLES)
def test_bytes_of_each_charset_are_read(charset: str, text: str, raw: bytes) -> None:
    assert decode(raw, charset, "PN") == text


@pytest.mark.parametrize(("charset", "text", "raw"), EXAMPLES)
def test_text_is_written_with_the_escape_sequences_it_needs(charset: str, text: str, raw: bytes) -> None:
    assert can_encode(text, charset, "PN")
    assert encode(text, charset, "PN") == raw


def test_second_japanese_plane_is_read_and_written() -> None:
    charset = r"\ISO 2022 IR 87\ISO 2022 IR 159"
    raw = encode("漢丂", charset, "LO")
    assert b"\x1b$(D" in raw
    assert decode(raw, charset, "LO") == "漢丂"


def test_two_byte_character_that_holds_a_backslash_is_one_character() -> None:
    # The second byte of this character of JIS X 0208 is that of the backslash.
    raw = b"\x1b$B" + bytes((0x30, 0x5C)) + b"\x1b(B\\next"
    first, second = decode(raw, r"\ISO 2022 IR 87", "LO").split("\\")
    assert len(first) == 1
    assert second == "next"


@pytest.mark.parametrize("delimiter", ["\\", "\r", "\n", "\f", "\t"])
def test_delimiter_ends_a_code_extension(delimiter: str) -> None:
    raw = b"\x1b-L\xbb" + delimiter.encode() + b"\xc4"
    charset = r"ISO 2022 IR 100\ISO 2022 IR 144"
    assert decode(raw, charset, "LT") == f"Л{delimiter}Ä"


def test_component_delimiters_end_a_code_extension_in_names_only() -> None:
    raw = b"\x1b-L\xbb^\xbb"
    charset = r"ISO 2022 IR 100\ISO 2022 IR 144"
    assert decode(raw, charset, "PN") == "Л^»"
    assert decode(raw, charset, "LO") == "Л^Л"


@pytest.mark.parametrize(
    "charset", ["ISO-IR 144", "ISO IR 144", "iso_ir 144", "ISO_IR 144 ", "ISO-2022-IR-144", "ISO_2022_IR_144"]
)
def test_misspelt_term_is_understood(charset: str) -> None:
    assert decode(b"\xbb\xee\xda", charset, "LO") == "Люк"


def test_unknown_term_is_read_as_latin() -> None:
    assert decode(b"\xc4", "ISO_IR 999", "LO") == "Ä"
    assert decode(b"\xc4", "", "LO") == "Ä"


def test_charset_of_multiple_bytes_ignores_the_others() -> None:
    assert decode("王".encode(), r"ISO_IR 192\ISO 2022 IR 87", "LO") == "王"


def test_bytes_outside_the_charset_are_replaced() -> None:
    assert decode(b"A\xff", "ISO_IR 192", "LO") == "A\ufffd"


def test_character_outside_the_charset_becomes_a_question_mark() -> None:
    assert encode("A王", "ISO_IR 100", "LO") == b"A?"
    assert encode("Ä", "", "LO") == b"?"


@given(
    st.binary(max_size=200), st.sampled_from(CHARSETS) | st.text(max_size=30), st.sampled_from(["PN", "LT"])
)
def test_any_bytes_are_decoded(raw: bytes, charset: str, vr: str) -> None:
    decode(b"\x1b$B" + raw, charset, vr)
    decode(raw, charset, vr)


@given(st.text(max_size=80), st.sampled_from(CHARSETS) | st.text(max_size=30), st.sampled_from(["PN", "LT"]))
def test_any_text_is_encoded(text: str, charset: str, vr: str) -> None:
    encode(text, charset, vr)
    can_encode(text, charset, vr)


_LETTERS = st.sampled_from(
    sorted({letter for _, text, _ in EXAMPLES for letter in text} | set("\\^= \nAz漢丂"))
)


@given(st.text(_LETTERS, max_size=40), st.sampled_from(CHARSETS), st.sampled_from(["PN", "LO"]))
def test_what_a_charset_can_encode_reads_back_the_same(text: str, charset: str, vr: str) -> None:
    if can_encode(text, charset, vr):
        assert decode(encode(text, charset, vr), charset, vr) == text


@given(st.text(max_size=40))
def test_utf_8_holds_everything(text: str) -> None:
    assert decode(encode(text, UTF_8, "UT"), UTF_8, "UT") == text


def test_ascii_answer_needs_no_charset() -> None:
    assert choose_charset(["Doe^John", ""], "ISO_IR 192", "ISO_IR 100") == ""


def test_answer_comes_in_the_charset_of_the_request_where_it_can() -> None:
    assert choose_charset(["Äneas"], "ISO_IR 192", "ISO_IR 100") == "ISO_IR 192"


def test_answer_comes_in_the_stored_charset_where_that_of_the_request_cannot_hold_it() -> None:
    assert choose_charset(["山田"], "ISO_IR 100", r"\ISO 2022 IR 87") == r"\ISO 2022 IR 87"


def test_answer_comes_in_utf_8_where_no_other_charset_can_hold_it() -> None:
    assert choose_charset(["山田", "Äneas"], "ISO_IR 100", r"\ISO 2022 IR 87") == "ISO_IR 192"
    assert choose_charset(["Äneas"], "", "") == "ISO_IR 192"
