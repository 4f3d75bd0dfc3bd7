"""C-STORE of what is there already, of what contradicts itself, and of what nobody can read (PS3.4 B.2.3)."""

from __future__ import annotations

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from benchmarks.wire import EXPLICIT, Association
from tests.appliance import Appliance
from tests.part_ten import take_apart
from tests.raw_find import every_instance

TEMPLATE = synthetic.ct()
PLAN = Plan(0, 0, 0, "refused")
PRIVATE_SOP_CLASS = "1.2.826.0.1.3680043.9.9999.7"
CONTEXTS = [(TEMPLATE.sop_class_uid, [EXPLICIT]), (synthetic.small().sop_class_uid, [EXPLICIT])]
SUCCESS, DOES_NOT_MATCH, CANNOT_UNDERSTAND = 0x0000, 0xA900, 0xC000


def _store(
    assoc: Association, plan: Plan, data: bytes | None = None, uid: str = "", sop_class: str = ""
) -> int:
    response = assoc.store(
        sop_class or TEMPLATE.sop_class_uid,
        uid or plan.sop_instance_uid,
        EXPLICIT,
        TEMPLATE.data_set(plan) if data is None else data,
    )
    return int(response["Status"])


def _quarantined(appliance: Appliance) -> list[str]:
    folder = appliance.data / "quarantine"
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def test_the_same_instance_again_succeeds_and_is_kept_once(server: Appliance) -> None:
    with server.association(CONTEXTS) as assoc:
        assert [_store(assoc, PLAN) for _ in range(3)] == [SUCCESS] * 3
    assert len(server.stored_files()) == 1
    assert every_instance(server) == {PLAN.sop_instance_uid}
    assert _quarantined(server) == []


def test_the_same_instance_over_several_associations_at_once_is_kept_once(server: Appliance) -> None:
    associations = [server.association(CONTEXTS).open() for _ in range(6)]
    data = TEMPLATE.data_set(PLAN)
    for assoc in associations:
        context_id = assoc.context_of(TEMPLATE.sop_class_uid)
        assoc.send_command(context_id, assoc.store_command(TEMPLATE.sop_class_uid, PLAN.sop_instance_uid))
        assoc.send_data_set(context_id, data)
    assert [assoc.receive()[0]["Status"] for assoc in associations] == [SUCCESS] * 6
    for assoc in associations:
        assoc.release()
        assoc.close()
    assert len(server.stored_files()) == 1


def test_another_data_set_under_a_known_uid_gets_a_warning_and_goes_to_quarantine(server: Appliance) -> None:
    first = TEMPLATE.data_set(PLAN)
    second = first[:-4] + b"\1\2\3\4"
    with server.association(CONTEXTS) as assoc:
        assert _store(assoc, PLAN, first) == SUCCESS
        status = _store(assoc, PLAN, second)
        assert 0xB000 <= status <= 0xBFFF, f"{status:04X}"
        assert _store(assoc, PLAN, first) == SUCCESS
    (path,) = server.stored_files()
    assert take_apart(path).data_set == first
    held = [path for path in (server.data / "quarantine").rglob("*") if path.is_file()]
    assert any(second in path.read_bytes() for path in held)
    assert any(b"conflict" in path.read_bytes() for path in held)
    assert server.metric(r"\w*quarantine\w*(\{.*\})? ") >= 1


def test_a_known_instance_is_recognised_after_a_restart(server: Appliance) -> None:
    with server.association(CONTEXTS) as assoc:
        assert _store(assoc, PLAN) == SUCCESS
    assert server.stop() == 0
    server.start()
    with server.association(CONTEXTS) as assoc:
        assert _store(assoc, PLAN) == SUCCESS
        assert 0xB000 <= _store(assoc, PLAN, TEMPLATE.data_set(PLAN)[:-2] + b"\7\7") <= 0xBFFF
    assert len(server.stored_files()) == 1


def test_a_data_set_of_another_sop_class_is_refused(server: Appliance) -> None:
    with server.association(CONTEXTS) as assoc:
        assert _store(assoc, PLAN, sop_class=synthetic.small().sop_class_uid) == DOES_NOT_MATCH
    assert server.stored_files() == []


def test_a_data_set_of_another_sop_instance_is_refused(server: Appliance) -> None:
    with server.association(CONTEXTS) as assoc:
        assert _store(assoc, PLAN, uid=Plan(0, 0, 1).sop_instance_uid) == DOES_NOT_MATCH
    assert server.stored_files() == []


@pytest.mark.parametrize(
    "data",
    [b"\xde\xad\xbe\xef" * 100, TEMPLATE.data_set(PLAN)[:301]],
    ids=["noise", "cut off inside the header"],
)
def test_what_cannot_be_understood_is_refused_and_goes_to_quarantine(server: Appliance, data: bytes) -> None:
    with server.association(CONTEXTS) as assoc:
        status = _store(assoc, PLAN, data)
        assert CANNOT_UNDERSTAND <= status <= 0xCFFF, f"{status:04X}"
        # The association lives on.
        assert _store(assoc, PLAN) == SUCCESS
    assert len(server.stored_files()) == 1
    assert _quarantined(server)


def test_an_empty_data_set_is_refused(server: Appliance) -> None:
    with server.association(CONTEXTS) as assoc:
        assert _store(assoc, PLAN, b"") in (DOES_NOT_MATCH, CANNOT_UNDERSTAND)
    assert server.stored_files() == []


@pytest.mark.parametrize("uid", ["../../../../tmp/evil", "1.2.3/4", "1..2", "1." + "2" * 70, "a.b.c"])
def test_a_uid_that_is_none_never_becomes_a_path(server: Appliance, uid: str) -> None:
    with server.association(CONTEXTS) as assoc:
        assert _store(assoc, PLAN, uid=uid) >= 0x0100
    assert server.stored_files() == []
    assert not (server.data.parent / "evil.dcm").exists()


def test_a_private_sop_class_is_stored_as_any_other(server: Appliance) -> None:
    old = TEMPLATE.sop_class_uid.encode()
    data = TEMPLATE.data_set(PLAN)
    padded = len(old) + len(old) % 2
    new = PRIVATE_SOP_CLASS.encode().ljust(len(PRIVATE_SOP_CLASS) + len(PRIVATE_SOP_CLASS) % 2, b"\0")
    head = b"\x08\x00\x16\x00UI"
    data = data.replace(
        head + padded.to_bytes(2, "little") + old.ljust(padded, b"\0"),
        head + len(new).to_bytes(2, "little") + new,
    )
    with server.association([(PRIVATE_SOP_CLASS, [EXPLICIT])]) as assoc:
        assert _store(assoc, PLAN, data, sop_class=PRIVATE_SOP_CLASS) == SUCCESS
    (path,) = server.stored_files()
    parts = take_apart(path)
    assert (parts.sop_class_uid, parts.data_set) == (PRIVATE_SOP_CLASS, data)
