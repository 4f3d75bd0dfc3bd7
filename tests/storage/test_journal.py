from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.errors import OutOfResources
from pacs.storage.journal import SUFFIX, Journal
from pacs.storage.journal_reader import JournalReader
from pacs.storage.journal_record import (
    MAGIC,
    STATE_OFFSET,
    Addition,
    Record,
    Removal,
    decode_records,
    encode_record,
)

additions = st.builds(
    Addition, st.text(max_size=30), st.just("1.2"), st.integers(0, 2**60), st.integers(0, 2**62)
)
records = st.lists(additions | st.builds(Removal, st.text(max_size=30), st.text(max_size=30)), max_size=8)


def addition(number: int) -> Addition:
    return Addition(f"uri-{number}", "1.2", number, 0)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def read_all(reader: JournalReader) -> list[Record]:
    """As a consumer does: poll until a poll brings nothing, forget all."""
    found = []
    while entries := reader.poll():
        found += [entry.record for entry in entries]
        reader.forget(entries)
    return found


@given(records)
def test_records_are_decoded_as_they_were_encoded(written: list[Record]) -> None:
    data = b"".join(map(encode_record, written))
    assert [frame.record for frame in decode_records(data)] == written


@settings(max_examples=30, deadline=None)
@given(records.filter(bool))
def test_cut_at_any_byte_the_whole_records_are_read_and_no_other(written: list[Record]) -> None:
    encoded = list(map(encode_record, written))
    data = b"".join(encoded)
    ends = [sum(map(len, encoded[: count + 1])) for count in range(len(encoded))]
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends)
        assert [frame.record for frame in decode_records(data[:cut])] == written[:whole]


@settings(max_examples=100, deadline=None)
@given(records.filter(bool), st.data())
def test_a_changed_byte_hides_its_record_and_what_follows(written: list[Record], data: st.DataObject) -> None:
    encoded = list(map(encode_record, written))
    whole = bytearray(b"".join(encoded))
    starts = [0, *(sum(map(len, encoded[: count + 1])) for count in range(len(encoded)))]
    states = {start + STATE_OFFSET for start in starts}
    position = data.draw(st.integers(0, len(whole) - 1).filter(lambda at: at not in states))
    whole[position] ^= data.draw(st.integers(1, 255))
    found = [frame.record for frame in decode_records(bytes(whole))]
    ends = [sum(map(len, encoded[: count + 1])) for count in range(len(encoded))]
    assert found == written[: sum(end <= position for end in ends)]


@given(st.binary(max_size=200))
def test_noise_holds_no_record(noise: bytes) -> None:
    assert list(decode_records(noise)) == []


def test_committed_records_are_read_by_another_process_while_their_producer_lives(tmp_path: Path) -> None:
    producer, reader = Journal(tmp_path), JournalReader(Journal(tmp_path))
    producer.record([addition(1), addition(2)])
    assert read_all(reader) == [addition(1), addition(2)]
    producer.record([addition(3), Removal("1.2", "uri-1")])
    assert read_all(reader) == [addition(3), Removal("1.2", "uri-1")]
    assert len(segments(tmp_path)) == 1, "its producer may still write to it"
    producer.close()
    read_all(reader)
    assert segments(tmp_path) == []


def test_a_segment_stays_until_all_its_records_are_forgotten(tmp_path: Path) -> None:
    producer, reader = Journal(tmp_path), JournalReader(Journal(tmp_path))
    producer.record([addition(1), addition(2)])
    producer.close()
    entries = reader.poll()
    assert reader.poll() == []
    reader.forget(entries[:1])
    assert len(segments(tmp_path)) == 1
    assert [entry.record for entry in JournalReader(Journal(tmp_path)).poll()] == [addition(1), addition(2)]
    reader.forget(entries[1:])
    assert segments(tmp_path) == []


def test_own_records_come_through_memory_and_their_segments_go_when_they_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pacs.storage.journal.SEGMENT_BYTES", 4000)
    journal = Journal(tmp_path)
    reader = JournalReader(journal)
    entries = list(journal.record([addition(0)]))
    while (more := journal.record([addition(-1)]))[0].segment is entries[0].segment:
        entries += more
    assert reader.poll() == []
    reader.forget(entries)
    assert not entries[0].segment.path.exists()
    reader.forget(list(more))
    journal.close()
    assert segments(tmp_path) == []


def test_many_producers_lose_nothing_and_keep_their_order(tmp_path: Path) -> None:
    producers = [Journal(tmp_path) for _ in range(4)]

    def write(number: int) -> None:
        for count in range(300):
            producers[number].record([Addition(f"{number}", "1.2", count, 0)])
        producers[number].close()

    threads = [Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    reader = JournalReader(Journal(tmp_path))
    found: list[Record] = []
    deadline = time.monotonic() + 60
    while segments(tmp_path) or any(thread.is_alive() for thread in threads):
        found += read_all(reader)
        assert time.monotonic() < deadline
    assert len(found) == 1200
    for number in range(4):
        sizes = [r.size for r in found if isinstance(r, Addition) and r.uri == str(number)]
        assert sizes == list(range(300))


def test_one_sync_serves_all_threads_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.record([addition(0)])
    syncs = 0
    real = os.fdatasync

    def slow(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        time.sleep(0.02)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)

    def work() -> None:
        for number in range(5):
            journal.record([addition(number)])

    threads = [Thread(target=work) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 40 * 0.02 / 2
    assert syncs <= 20


def test_a_sync_that_fails_is_told_to_all_it_should_have_served_and_not_to_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    first, second = journal.append([addition(1)]), journal.append([addition(2)])

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(OutOfResources):
            journal.commit(first)
    with pytest.raises(OutOfResources):
        journal.commit(second)
    journal.record([addition(3)])
    journal.close()
    assert addition(3) in read_all(JournalReader(Journal(tmp_path)))


def test_a_write_cut_short_leaves_no_torn_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.record([addition(1)])
    real = os.pwrite
    calls = 0

    def full(descriptor: int, data: bytes, offset: int) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:5], offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OutOfResources, match="space"):
            journal.append([addition(2)])
    journal.record([addition(3)])
    journal.close()
    assert read_all(JournalReader(Journal(tmp_path))) == [addition(1), addition(3)]


def test_what_a_killed_producer_had_committed_is_read_and_its_segment_removed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from pacs.storage.journal import Journal, Addition;"
        "j = Journal(pathlib.Path(sys.argv[1])); n = 0\n"
        "while True:\n"
        "    j.record([Addition(f'uri-{n}', '1.2', n, 0)]); n += 1; print(n, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(200):
            committed = int(process.stdout.readline())
        process.kill()
        committed = max([committed, *map(int, process.stdout.read().split())])
        process.wait()
    found = read_all(JournalReader(Journal(tmp_path)))
    assert found[:committed] == [addition(number) for number in range(committed)]
    assert segments(tmp_path) == []


@pytest.mark.parametrize(
    "content", [b"", MAGIC[:3], MAGIC, b"something else", MAGIC + b"\x09\0\0\0", MAGIC + bytes(5000)]
)
def test_a_segment_without_a_whole_record_is_passed_over_and_removed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"host.1.0-0{SUFFIX}").write_bytes(content)
    assert read_all(JournalReader(Journal(tmp_path))) == []
    assert segments(tmp_path) == []


def test_a_long_segment_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacs.storage.journal_reader.READ_BYTES", 512)
    producer = Journal(tmp_path)
    producer.record([addition(number) for number in range(500)])
    reader = JournalReader(Journal(tmp_path))
    assert len(read_all(reader)) == 500
    producer.close()
    read_all(reader)
    assert segments(tmp_path) == []


def test_announced_records_of_the_living_are_passed_over_until_they_are_in_place(tmp_path: Path) -> None:
    producer, reader = Journal(tmp_path), JournalReader(Journal(tmp_path))
    first = producer.append([addition(1)], [b"object"])
    producer.record([addition(2)])
    withdrawn = producer.append([addition(3)])
    assert read_all(reader) == [addition(2)]
    assert not reader.has_news()
    producer.in_place(first.entries)
    producer.withdraw(withdrawn.entries)
    assert reader.has_news()
    assert read_all(reader) == [addition(1)]
    producer.close()
    read_all(reader)
    assert segments(tmp_path) == []


def test_a_segment_does_not_end_while_something_is_announced(tmp_path: Path) -> None:
    producer, reader = Journal(tmp_path), JournalReader(Journal(tmp_path))
    ticket = producer.append([addition(1)])
    producer.close()
    assert read_all(reader) == []
    producer.in_place(ticket.entries)
    assert read_all(reader) == [addition(1)]
    assert segments(tmp_path) == []


def test_only_records_of_the_dead_bring_their_objects(tmp_path: Path) -> None:
    producer, reader = Journal(tmp_path), JournalReader(Journal(tmp_path))
    for number in range(2):
        producer.in_place(producer.append([addition(number)], [b"object"]).entries)
        if not number:
            (living,) = reader.poll()
    producer.close()
    (dead,) = reader.poll()
    assert (living.carries, living.orphan, living.content) == (True, False, b"")
    assert (dead.carries, dead.orphan, dead.content) == (True, True, b"object")


def test_news_are_seen_at_once_and_cost_little(tmp_path: Path) -> None:
    producer, reader = Journal(tmp_path), JournalReader(Journal(tmp_path))
    for number in range(50):
        producer.record([addition(number)])
        assert reader.has_news()
        assert read_all(reader) == [addition(number)]
        assert not reader.has_news()
    began = time.perf_counter()
    for _ in range(1000):
        reader.has_news()
    assert time.perf_counter() - began < 0.5


def test_a_commit_changes_neither_size_nor_name_of_a_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.record([addition(0)])
    before = [(path, path.stat().st_size, path.stat().st_blocks) for path in segments(tmp_path)]
    for number in range(100):
        journal.record([addition(number)])
    assert [(path, path.stat().st_size, path.stat().st_blocks) for path in segments(tmp_path)] == before
    journal.close()


def test_what_is_sealed_is_never_read_again(tmp_path: Path) -> None:
    producer, consumer = Journal(tmp_path), Journal(tmp_path)
    reader = JournalReader(consumer)
    producer.record([addition(1), addition(2)])
    first, _ = reader.poll()
    reader.forget([first])
    reader.seal()
    assert [entry.record for entry in JournalReader(Journal(tmp_path)).poll()] == [addition(2)]


def test_a_producer_slows_down_while_its_consumer_is_far_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pacs.storage.journal.UNCONSUMED_SEGMENTS", 1)
    monkeypatch.setattr("pacs.storage.journal.SLOW_SECONDS", 0.2)
    monkeypatch.setattr("pacs.storage.journal.SEGMENT_BYTES", 200)
    journal = Journal(tmp_path)
    began = time.monotonic()
    for number in range(20):
        journal.record([addition(number)])
    assert time.monotonic() - began >= 0.2
    journal.close()
