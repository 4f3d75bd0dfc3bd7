"""The hierarchy derived step by step is the one that a look at all instances would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pacs.dicom import tags
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.index.hierarchy import StoredInstance, derive, forget, patient_key
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Entity, Identity
from pacs.query.tree import Everything

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


def stored(
    instance: str,
    series: str = "1.1",
    study: str = "1",
    *,
    patient: str = "P",
    issuer: str = "",
    modality: str = "CT",
    sop_class: str = CT,
    uri: str = "",
    **more: str,
) -> StoredInstance:
    """An instance of the named UIDs."""
    values: dict[int, Value] = {
        tags.SOP_CLASS_UID: sop_class,
        tags.SOP_INSTANCE_UID: instance,
        tags.MODALITY: modality,
        tags.PATIENT_ID: patient,
        tags.ISSUER_OF_PATIENT_ID: issuer,
        tags.STUDY_INSTANCE_UID: study,
        tags.SERIES_INSTANCE_UID: series,
    }
    for keyword, value in more.items():
        values[getattr(tags, keyword.upper())] = value
    return StoredInstance(Header(values), Location(uri or f"{study}/{series}/{instance}", "1.2", 1, 0))


def add(index: MemoryIndex, *instances: StoredInstance) -> None:
    index.apply(derive(instances, index))


def texts(index: MemoryIndex, level: Level, key: str, *wanted: int) -> tuple[str, ...]:
    header = index.get(level, [key])[key].header
    return tuple(header.text(tag) for tag in wanted)


@dataclass
class Known:
    """An instance as the plain model keeps it: the patient is that of its study."""

    stored: StoredInstance
    patient: str

    def key(self, level: Level) -> str:
        text = self.stored.header.text
        study = text(tags.STUDY_INSTANCE_UID)
        return (
            self.patient,
            study,
            f"{study}/{text(tags.SERIES_INSTANCE_UID)}",
            text(tags.SOP_INSTANCE_UID),
        )[level]


class AddsAndDeletes(RuleBasedStateMachine):
    """Any adds and deletes in any batches, held against a model that counts everything anew."""

    def __init__(self) -> None:
        super().__init__()
        self.index = MemoryIndex()
        self.known: dict[str, Known] = {}

    batches = st.lists(
        st.tuples(
            st.integers(0, 11),
            st.integers(0, 2),
            st.integers(0, 2),
            st.sampled_from(["", "A", "B"]),
            st.sampled_from(["CT", "MR", "CT", ""]),
            st.sampled_from([CT, MR]),
        ),
        max_size=5,
    )

    @rule(batch=batches)
    def add(self, batch: list[tuple[int, int, int, str, str, str]]) -> None:
        instances = [
            stored(
                f"9.{number}", f"5.{series}", f"1.{study}", patient=patient, modality=modality,
                sop_class=sop_class,
            )
            for number, series, study, patient, modality, sop_class in batch
        ]  # fmt: skip
        derived = derive(instances, self.index)
        self.index.apply(derived)
        clashes, again = 0, 0
        for instance in instances:
            uid = instance.sop_instance_uid
            if uid in self.known:
                same = self.known[uid].stored.location.uri == instance.location.uri
                again, clashes = again + same, clashes + (not same)
                continue
            study = instance.header.text(tags.STUDY_INSTANCE_UID)
            siblings = [
                each.patient
                for each in self.known.values()
                if each.stored.header.text(tags.STUDY_INSTANCE_UID) == study
            ]
            self.known[uid] = Known(instance, siblings[0] if siblings else patient_key(instance.header))
        assert (len(derived.clashes), len(derived.known)) == (clashes, again)

    @rule(numbers=st.sets(st.integers(0, 12), max_size=5))
    def delete_instances(self, numbers: set[int]) -> None:
        entities = self.index.get(Level.IMAGE, [f"9.{number}" for number in numbers])
        self._forget([entity.identity for entity in entities.values()])

    @rule(level=st.sampled_from([Level.PATIENT, Level.STUDY, Level.SERIES]), place=st.integers(0, 5))
    def delete_whole(self, level: Level, place: int) -> None:
        identities = sorted(
            (entity.identity for entity in self.index.search(level, Everything())), key=lambda one: one.key
        )
        if identities:
            self._forget([identities[place % len(identities)]])

    def _forget(self, identities: list[Identity]) -> None:
        self.index.apply(forget(identities, self.index))
        for identity in identities:
            for uid in [uid for uid, each in self.known.items() if each.key(identity.level) == identity.key]:
                del self.known[uid]

    @invariant()
    def entities_are_those_of_the_model(self) -> None:
        for level in Level:
            given = {entity.identity.key: entity for entity in self.index.search(level, Everything())}
            assert set(given) == {each.key(level) for each in self.known.values()}
            for key, entity in given.items():
                below = [each for each in self.known.values() if each.key(level) == key]
                assert entity.header.values == dict(self.expected(level, below)), (level, key)
                assert (entity.location is None) == (level != Level.IMAGE)

    def expected(self, level: Level, below: list[Known]) -> Iterator[tuple[int, object]]:
        first = below[0].stored.header
        yield from first.values.items()
        series = {each.key(Level.SERIES) for each in below}
        studies = {each.key(Level.STUDY) for each in below}
        if level == Level.SERIES:
            yield tags.NUMBER_OF_SERIES_RELATED_INSTANCES, str(len(below))
        if level == Level.STUDY:
            firsts: dict[str, Header] = {}
            for each in below:
                firsts.setdefault(each.key(Level.SERIES), each.stored.header)
            modalities = {header.text(tags.MODALITY) for header in firsts.values()} - {""}
            classes = {each.stored.header.text(tags.SOP_CLASS_UID) for each in below}
            yield tags.MODALITIES_IN_STUDY, "\\".join(sorted(modalities))
            yield tags.SOP_CLASSES_IN_STUDY, "\\".join(sorted(classes))
            yield tags.NUMBER_OF_STUDY_RELATED_SERIES, str(len(series))
            yield tags.NUMBER_OF_STUDY_RELATED_INSTANCES, str(len(below))
        if level == Level.PATIENT:
            yield tags.NUMBER_OF_PATIENT_RELATED_STUDIES, str(len(studies))
            yield tags.NUMBER_OF_PATIENT_RELATED_SERIES, str(len(series))
            yield tags.NUMBER_OF_PATIENT_RELATED_INSTANCES, str(len(below))


TestAddsAndDeletes = AddsAndDeletes.TestCase
TestAddsAndDeletes.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_instance_without_sop_instance_uid_is_unplaced() -> None:
    derived = derive([stored("")], MemoryIndex())
    assert len(derived.unplaced) == 1
    assert not derived.put


def test_instance_without_study_is_a_study_of_its_own() -> None:
    index = MemoryIndex()
    add(index, stored("8", study="", series=""), stored("9", study="", series=""), stored("7", series=""))
    assert [index.count(level) for level in (Level.STUDY, Level.SERIES, Level.IMAGE)] == [3, 3, 3]
    for image in index.search(Level.IMAGE, Everything()):
        assert image.header.text(tags.STUDY_INSTANCE_UID) == image.identity.study != ""
        assert image.header.text(tags.SERIES_INSTANCE_UID) == image.identity.series != ""


def test_same_instance_twice_in_a_batch_counts_once() -> None:
    index = MemoryIndex()
    derived = derive([stored("9"), stored("9"), stored("9", uri="elsewhere")], index)
    index.apply(derived)
    assert [len(derived.known), len(derived.clashes)] == [1, 1]
    assert texts(index, Level.SERIES, "1/1.1", tags.NUMBER_OF_SERIES_RELATED_INSTANCES) == ("1",)


def test_one_patient_id_of_two_issuers_is_two_patients() -> None:
    index = MemoryIndex()
    add(index, stored("9", study="1", issuer="A"), stored("8", study="2", issuer="B"))
    assert index.count(Level.PATIENT) == 2


def test_studies_without_patient_id_are_patients_of_their_own() -> None:
    index = MemoryIndex()
    add(index, stored("9", study="1", patient=""), stored("8", study="2", patient=" "))
    assert index.count(Level.PATIENT) == 2


def test_study_keeps_the_patient_of_its_first_instance() -> None:
    index = MemoryIndex()
    add(index, stored("9", patient="A"))
    add(index, stored("8", patient="B"))
    assert index.count(Level.PATIENT) == 1
    assert index.get(Level.IMAGE, ["8"])["8"].identity.patient == patient_key(stored("9", patient="A").header)


def test_one_series_uid_in_two_studies_is_two_series() -> None:
    index = MemoryIndex()
    add(index, stored("9", series="5", study="1"), stored("8", series="5", study="2"))
    assert index.count(Level.SERIES) == 2


def test_computed_attributes_of_a_stored_data_set_are_not_taken() -> None:
    index = MemoryIndex()
    add(index, stored("9", number_of_study_related_instances="77", modalities_in_study="XX"))
    assert texts(index, Level.IMAGE, "9", tags.NUMBER_OF_STUDY_RELATED_INSTANCES) == ("",)
    assert texts(
        index, Level.STUDY, "1", tags.NUMBER_OF_STUDY_RELATED_INSTANCES, tags.MODALITIES_IN_STUDY
    ) == (
        "1",
        "CT",
    )


def test_very_long_patient_ids_have_keys_of_bounded_length() -> None:
    first, second = (stored("9", patient="P" * 5000 + end) for end in "AB")
    assert len(patient_key(first.header)) <= 128
    assert patient_key(first.header) != patient_key(second.header)


class CountingIndex(MemoryIndex):
    """Counts the entities that are read from it."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[Level] = Counter()

    def get(self, level: Level, keys: Sequence[str]) -> dict[str, Entity]:
        found = super().get(level, keys)
        self.read.update([level] * len(found))
        return found

    def children(self, level: Level, parent: Identity) -> Iterator[Entity]:
        raise AssertionError("An add needs no look at siblings.")


def test_an_add_reads_only_what_is_above_it() -> None:
    index = CountingIndex()
    index.apply(derive([stored(f"9.{number}", f"5.{number % 7}") for number in range(200)], index))
    index.read.clear()
    derived = derive([stored("9.1000", "5.1")], index)
    assert index.read == {Level.SERIES: 1, Level.STUDY: 1, Level.PATIENT: 1}
    assert len(derived.put) == 4
