"""The hierarchy: which entities an index must hold for the instances that are stored. Pure, no I/O.

Patient, Study, Series and Instance entities are derived as PS3.4 section C.6 sees them. The entity of a
level has the attributes of its first instance (the earliest added that is still there), and the computed
attributes of its level, counted exactly. What an instance adds to its series, a series to its study and a
study to its patient is kept as a tally, so that a batch costs by what it touches, not by what is there.

A study keeps the patient of the instance that began it for as long as the study exists.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pacs.dicom import tags
from pacs.dicom.attribute import COMPUTED
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.dicom.uid import derived_uid
from pacs.index.protocol import Changes, Entity, Identity, Index

COMPUTED_TAGS = frozenset().union(*COMPUTED.values())
"""Attributes that entities have by counting; those in a stored data set are out of date and not taken."""

# The names in a tally. A SOP class and a modality are followed by their value.
ADDED = "added"
STUDIES = "studies"
SERIES = "series"
INSTANCES = "instances"
SOP_CLASS = "class="
MODALITY = "modality="


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance in storage that is to be indexed."""

    header: Header
    location: Location

    @property
    def sop_instance_uid(self) -> str:
        """The SOP Instance UID."""
        return self.header.text(tags.SOP_INSTANCE_UID)


@dataclass(frozen=True, slots=True)
class Derived(Changes):
    """The changes for a batch, and the instances of it that made none.

    ``known`` are indexed already at the same location. ``clashes`` have the SOP Instance UID of another
    object that is indexed. ``unplaced`` lack a SOP Instance UID.
    """

    known: tuple[StoredInstance, ...] = ()
    clashes: tuple[StoredInstance, ...] = ()
    unplaced: tuple[StoredInstance, ...] = ()


def placed(header: Header) -> Header:
    """``header`` with a Study and a Series Instance UID, so that the instance can be found.

    Some objects have none (colour palettes belong to no study, others are malformed). Such an instance is a
    study of its own, whose UIDs follow from its SOP Instance UID; the stored bytes stay as they are.
    """
    study, series = header.text(tags.STUDY_INSTANCE_UID), header.text(tags.SERIES_INSTANCE_UID)
    if study and series:
        return header
    study = study or derived_uid(f"study of {header.text(tags.SOP_INSTANCE_UID)}")
    values = {
        **header.values,
        tags.STUDY_INSTANCE_UID: study,
        tags.SERIES_INSTANCE_UID: series or derived_uid(f"series of {study}"),
    }
    return Header(dict(sorted(values.items())), header.vrs)


def patient_key(header: Header) -> str:
    """What tells the patient of ``header`` from all others: PatientID with IssuerOfPatientID (PS3.3 C.2.2).

    Without a PatientID nobody can say that two studies are of one patient: each is a patient of its own.
    """
    patient_id = header.text(tags.PATIENT_ID).strip()
    if not patient_id:
        return f"study:{header.text(tags.STUDY_INSTANCE_UID)}"
    issuer = header.text(tags.ISSUER_OF_PATIENT_ID).strip()
    # The length of the first part keeps ("A:B", "") and ("A", "B") apart.
    key = f"id:{len(patient_id)}:{patient_id}:{issuer}"
    if len(key) <= 128:
        return key
    return f"id:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def is_below(identity: Identity, parent: Identity) -> bool:
    """Whether ``identity`` stands at or below ``parent``."""
    if parent.level == Level.PATIENT:
        return identity.patient == parent.patient
    if identity.study != parent.study:
        return False
    if parent.level == Level.STUDY:
        return True
    return identity.series == parent.series and parent.instance in ("", identity.instance)


def derive(instances: Sequence[StoredInstance], index: Index) -> Derived:
    """What ``instances``, in the order of their coming, change in ``index``.

    Reads the entities that are touched, at most one look-up a level; writes nothing.
    """
    known: list[StoredInstance] = []
    clashes: list[StoredInstance] = []
    unplaced: list[StoredInstance] = []
    fresh: dict[str, StoredInstance] = {}
    there = index.get(Level.IMAGE, list({instance.sop_instance_uid for instance in instances} - {""}))
    for instance in instances:
        uid = instance.sop_instance_uid
        if not uid:
            unplaced.append(instance)
        elif uid in there or uid in fresh:
            first = there[uid].location if uid in there else fresh[uid].location
            same = first is not None and first.uri == instance.location.uri
            (known if same else clashes).append(instance)
        else:
            fresh[uid] = StoredInstance(placed(instance.header), instance.location)
    tree = _Tree(index)
    tree.load(fresh.values())
    for instance in fresh.values():
        tree.add(instance)
    return Derived(put=tree.put(), known=tuple(known), clashes=tuple(clashes), unplaced=tuple(unplaced))


def forget(identities: Iterable[Identity], index: Index) -> Changes:
    """What it changes in ``index`` that everything at and below ``identities`` goes.

    Identities that the index does not hold are passed over. Costs by the instances that go, and by the
    siblings among which a new first instance is sought.
    """
    gone: dict[str, Entity] = {}
    uids: list[str] = []
    for identity in identities:
        if identity.level == Level.IMAGE:
            uids.append(identity.instance)
        else:
            gone.update((image.identity.instance, image) for image in index.children(Level.IMAGE, identity))
    gone.update(index.get(Level.IMAGE, uids))
    tree = _Tree(index)
    tree.load_parents([image.identity for image in gone.values()])
    tree.remove(gone)
    return Changes(put=tree.put(), drop=tree.drop())


@dataclass(slots=True)
class _Draft:
    """A Patient, Study or Series being changed. ``base`` is its first instance's header."""

    identity: Identity
    base: Header
    order: int
    tally: Counter[str] = field(default_factory=Counter)


class _Tree:
    """The part of the hierarchy that a batch touches."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._drafts: dict[Level, dict[str, _Draft]] = {
            Level.PATIENT: {},
            Level.STUDY: {},
            Level.SERIES: {},
        }
        self._images: list[Entity] = []
        self._dropped: list[Identity] = []

    def load(self, instances: Iterable[StoredInstance]) -> None:
        """Read what the index knows about the series, studies and patients of ``instances``."""
        headers = [instance.header for instance in instances]
        self._read(Level.SERIES, {f"{_study_of(h)}/{h.text(tags.SERIES_INSTANCE_UID)}" for h in headers})
        self._read(Level.STUDY, {_study_of(h) for h in headers})
        patients = {study.identity.patient for study in self._drafts[Level.STUDY].values()}
        self._read(Level.PATIENT, patients | {patient_key(h) for h in headers})

    def load_parents(self, identities: Sequence[Identity]) -> None:
        """Read the series, studies and patients of indexed instances."""
        self._read(Level.SERIES, {f"{identity.study}/{identity.series}" for identity in identities})
        self._read(Level.STUDY, {identity.study for identity in identities})
        self._read(Level.PATIENT, {identity.patient for identity in identities})

    def _read(self, level: Level, keys: set[str]) -> None:
        for key, entity in self._index.get(level, list(keys)).items():
            self._drafts[level][key] = _Draft(
                entity.identity, _without_computed(entity.header), entity.order, Counter(dict(entity.tally))
            )

    def add(self, instance: StoredInstance) -> None:
        header = _without_computed(instance.header)
        study_uid, series_uid = _study_of(header), header.text(tags.SERIES_INSTANCE_UID)
        known_study = self._drafts[Level.STUDY].get(study_uid)
        key = known_study.identity.patient if known_study else patient_key(header)
        patient = self._draft(Level.PATIENT, Identity(key), header, None)
        order = patient.tally[ADDED] = patient.tally[ADDED] + 1
        if patient.order == 0:
            patient.order = order
        study = self._draft(Level.STUDY, Identity(key, study_uid), header, order)
        if not known_study:
            patient.tally[STUDIES] += 1
        identity = Identity(key, study_uid, series_uid)
        if identity.key not in self._drafts[Level.SERIES]:
            patient.tally[SERIES] += 1
            study.tally[SERIES] += 1
            study.tally[MODALITY + header.text(tags.MODALITY)] += 1
        series = self._draft(Level.SERIES, identity, header, order)
        sop_class = SOP_CLASS + header.text(tags.SOP_CLASS_UID)
        for tally in (series.tally, study.tally):
            tally[sop_class] += 1
            tally[INSTANCES] += 1
        patient.tally[INSTANCES] += 1
        self._images.append(
            Entity(
                Identity(key, study_uid, series_uid, instance.sop_instance_uid),
                header,
                instance.location,
                order=order,
            )
        )

    def _draft(self, level: Level, identity: Identity, header: Header, order: int | None) -> _Draft:
        drafts = self._drafts[level]
        key = identity.key
        if key not in drafts:
            drafts[key] = _Draft(identity, header, order or 0)
        return drafts[key]

    def remove(self, gone: dict[str, Entity]) -> None:
        """Take indexed instances, by SOP Instance UID, out of everything above them."""
        removed: dict[str, set[int]] = {}
        for image in gone.values():
            identity = image.identity
            series = self._drafts[Level.SERIES][f"{identity.study}/{identity.series}"]
            study = self._drafts[Level.STUDY][identity.study]
            sop_class = SOP_CLASS + image.header.text(tags.SOP_CLASS_UID)
            for tally in (series.tally, study.tally):
                tally[sop_class] -= 1
                tally[INSTANCES] -= 1
            self._drafts[Level.PATIENT][identity.patient].tally[INSTANCES] -= 1
            removed.setdefault(identity.patient, set()).add(image.order)
            self._dropped.append(identity)
        for series in list(self._drafts[Level.SERIES].values()):
            self._after_removal(series, removed, gone)
        for level in (Level.STUDY, Level.PATIENT):
            for draft in list(self._drafts[level].values()):
                self._after_removal(draft, removed, gone)

    def _after_removal(self, draft: _Draft, removed: dict[str, set[int]], gone: dict[str, Entity]) -> None:
        """Drop ``draft`` where nothing is below it any more, find its new first instance where that went."""
        identity = draft.identity
        level = identity.level
        modality = draft.base.text(tags.MODALITY)
        if draft.tally[INSTANCES] == 0:
            del self._drafts[level][identity.key]
            self._dropped.append(identity)
            if level == Level.SERIES:
                self._drafts[Level.STUDY][identity.study].tally[SERIES] -= 1
                self._drafts[Level.PATIENT][identity.patient].tally[SERIES] -= 1
                self._drafts[Level.STUDY][identity.study].tally[MODALITY + modality] -= 1
            elif level == Level.STUDY:
                self._drafts[Level.PATIENT][identity.patient].tally[STUDIES] -= 1
            return
        if draft.order not in removed.get(identity.patient, ()):
            return
        draft.order, draft.base = min(self._candidates(draft, gone), key=lambda first: first[0])
        if level == Level.SERIES:
            tally = self._drafts[Level.STUDY][identity.study].tally
            tally[MODALITY + modality] -= 1
            tally[MODALITY + draft.base.text(tags.MODALITY)] += 1

    def _candidates(self, draft: _Draft, gone: dict[str, Entity]) -> Iterator[tuple[int, Header]]:
        """Order and header of the first instance of everything that is left one level below ``draft``."""
        below = Level(draft.identity.level + 1)
        dropped = set(self._dropped)
        for child in self._index.children(below, draft.identity):
            key = child.identity.key
            if below == Level.IMAGE:
                if key not in gone:
                    yield child.order, _without_computed(child.header)
            elif key in self._drafts[below]:
                yield self._drafts[below][key].order, self._drafts[below][key].base
            elif child.identity not in dropped:
                yield child.order, _without_computed(child.header)

    def put(self) -> tuple[Entity, ...]:
        """The entities that are new or changed: instances first, then upwards."""
        entities = list(self._images)
        for level in (Level.SERIES, Level.STUDY, Level.PATIENT):
            for draft in self._drafts[level].values():
                tally = +draft.tally
                values = dict(draft.base.values)
                values.update(_computed(level, tally))
                entities.append(
                    Entity(
                        draft.identity,
                        Header(values, draft.base.vrs),
                        tally=tuple(sorted(tally.items())),
                        order=draft.order,
                    )
                )
        return tuple(entities)

    def drop(self) -> tuple[Identity, ...]:
        """What is there no more."""
        return tuple(self._dropped)


def _study_of(header: Header) -> str:
    return header.text(tags.STUDY_INSTANCE_UID)


def _without_computed(header: Header) -> Header:
    values = header.values
    if COMPUTED_TAGS.isdisjoint(values):
        return header
    return Header({tag: value for tag, value in values.items() if tag not in COMPUTED_TAGS}, header.vrs)


def _computed(level: Level, tally: Counter[str]) -> Iterator[tuple[int, Value]]:
    """The computed attributes of an entity (PS3.4 section C.3.4), from its tally."""
    instances = str(tally[INSTANCES])
    if level == Level.SERIES:
        yield tags.NUMBER_OF_SERIES_RELATED_INSTANCES, instances
    elif level == Level.STUDY:
        yield tags.MODALITIES_IN_STUDY, _named(tally, MODALITY)
        yield tags.SOP_CLASSES_IN_STUDY, _named(tally, SOP_CLASS)
        yield tags.NUMBER_OF_STUDY_RELATED_SERIES, str(tally[SERIES])
        yield tags.NUMBER_OF_STUDY_RELATED_INSTANCES, instances
    else:
        yield tags.NUMBER_OF_PATIENT_RELATED_STUDIES, str(tally[STUDIES])
        yield tags.NUMBER_OF_PATIENT_RELATED_SERIES, str(tally[SERIES])
        yield tags.NUMBER_OF_PATIENT_RELATED_INSTANCES, instances


def _named(tally: Counter[str], kind: str) -> str:
    """The values of one kind that are counted, sorted and joined as several values of one attribute."""
    return "\\".join(sorted(name[len(kind) :] for name in tally if name.startswith(kind) and name != kind))
