"""What is remembered of data sets never shows in what is read."""

from __future__ import annotations

import struct
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.element_layout import Layout, layout_of
from pacs.dicom.element_memory import MOST_BYTES, MOST_ELEMENTS, Memory
from pacs.dicom.element_reader import ElementReader, Ended, Malformed
from pacs.dicom.header import Header
from pacs.dicom.reader import read_header
from pacs.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from tests.samples import sample

EXPLICIT, IMPLICIT = layout_of(True, False), layout_of(False, False)


def element(tag: int, vr: str, value: bytes, explicit: bool = True) -> bytes:
    """An encoded element, little endian."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack("<I", len(value)) + value
    if vr in ("SQ", "OB", "UN"):
        return head + vr.encode() + struct.pack("<HI", 0, len(value)) + value
    return head + vr.encode() + struct.pack("<H", len(value)) + value


def item(content: bytes) -> bytes:
    """An item of defined length."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def read(data: bytes, layout: Layout, memory: Memory | None) -> Header | str:
    """What a reader gives, or what it says instead."""
    header = Header()
    try:
        ElementReader(data, memory=memory).data_set(header, layout)
    except Ended as ended:
        return f"ended, {ended.needed}"
    except Malformed as malformed:
        return str(malformed)
    return header


_VALUES = {
    (tags.SPECIFIC_CHARACTER_SET, "CS"): [b"ISO_IR 100", b"ISO_IR 144", b""],
    (tags.MODALITY, "CS"): [b"CT", b"MR"],
    (0x00081111, "SQ"): [b"", item(element(0x00280106, "US", b"\xff\xff")), item(b"\x10\0\x10\0PN\1\0\xe4")],
    (tags.PATIENT_NAME, "PN"): [b"Doe^John", b"\xe4\xf6\xfc^A"],
    (tags.PATIENT_ID, "LO"): [b"1", b"22", b"\xe4"],
    (0x00190010, "LO"): [b"SIEMENS CT VA0  COAD", b"GEMS_ACQU_01", b"NOBODY"],
    (0x00191008, "UN"): [b"1234", b"\1\2\3\4"],
    (0x00191060, "LO"): [b"one", b"two"],
    (0x00200013, "IS"): [b"1 ", b"2 ", b"3 "],
    (0x00280103, "US"): [b"\0\0", b"\1\0"],
    (0x00280106, "US"): [b"\0\x80", b"\0\1"],
    (0x0040A0FF, "ZZ"): [b"abcd"],
    (tags.PIXEL_DATA, "OB"): [b"\0\0"],
}


@st.composite
def data_sets(draw: st.DrawFn, explicit: bool) -> bytes:
    """Elements of a few values each, mostly in order, perhaps cut short or padded."""
    pieces = []
    for (tag, vr), values in _VALUES.items():
        if draw(st.integers(0, 9)) < 8:
            pieces.append(element(tag, vr, draw(st.sampled_from(values)), explicit))
    if draw(st.integers(0, 9)) == 0:
        pieces = draw(st.permutations(pieces))
    data = b"".join(pieces) + draw(st.sampled_from([b"", b"", b"\0\0"]))
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 4)) == 0 else data


@settings(max_examples=200, deadline=None)
@given(st.data(), st.booleans())
def test_data_sets_in_a_row_are_read_as_each_alone(data: st.DataObject, explicit: bool) -> None:
    memory = Memory()
    layout = EXPLICIT if explicit else IMPLICIT
    kinds = data.draw(st.lists(data_sets(explicit), min_size=1, max_size=3))
    for _ in range(data.draw(st.integers(2, 8))):
        encoded = data.draw(st.sampled_from(kinds))
        remembered, alone = read(encoded, layout, memory), read(encoded, layout, None)
        assert remembered == alone
        if isinstance(remembered, Header) and isinstance(alone, Header):
            assert list(remembered.values) == list(alone.values)


def test_what_comes_again_is_the_same_object() -> None:
    memory = Memory()
    start = element(tags.MODALITY, "CS", b"CT") + element(0x00081111, "SQ", item(b""))
    headers = [
        read(start + element(tags.INSTANCE_NUMBER, "IS", b"%2d" % number), EXPLICIT, memory)
        for number in range(5)
    ]
    assert all(isinstance(header, Header) for header in headers)
    third, last = headers[3], headers[4]
    assert isinstance(third, Header)
    assert isinstance(last, Header)
    assert third.values[0x00081111] is last.values[0x00081111]
    assert last.values[tags.INSTANCE_NUMBER] == "4"


def test_a_run_under_another_private_creator_is_read_anew() -> None:
    memory = Memory()
    value = element(0x00191060, "", b"1.5 ", explicit=False)
    for creator in (b"NOBODY", b"NOBODY", b"NOBODY", b"GEMS_ACQU_01"):
        data = element(0x00190010, "", creator, explicit=False) + value
        assert read(data, IMPLICIT, memory) == read(data, IMPLICIT, None)


def test_a_real_image_is_read_alike_in_any_company() -> None:
    first, second = (sample(name).read_bytes()[132:] for name in ("CT_small.dcm", "MR_small.dcm"))
    bare = [data[12 + int.from_bytes(data[8:12], "little") :] for data in (first, second)]
    expected = [read(data, EXPLICIT, None) for data in bare]
    for number in (0, 0, 1, 0, 0, 1, 1, 1, 0):
        assert read_header(bare[number], EXPLICIT_VR_LITTLE_ENDIAN, complete=True) == expected[number]


def test_memory_is_bounded() -> None:
    memory = Memory()
    for size, count in ((300, 200), (8000, 50), (4, 2 * MOST_ELEMENTS)):
        for number in range(30):
            value = (b"%06d" % (number // 3)).ljust(size)
            private = [element(0x00110100 + place, "LO", value) for place in range(count)]
            read(b"".join(private), EXPLICIT, memory)
            runs = memory.runs(EXPLICIT).values()
            assert sum(len(run.raw) for run in runs) <= 2 * MOST_BYTES
            assert len(runs) <= MOST_ELEMENTS


def test_each_thread_remembers_for_itself() -> None:
    memory = Memory()
    data = element(tags.MODALITY, "CS", b"CT")
    for _ in range(3):
        read(data, EXPLICIT, memory)
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(len(memory.runs(EXPLICIT))))
    thread.start()
    thread.join()
    assert len(memory.runs(EXPLICIT)) == 1
    assert seen == [0]
