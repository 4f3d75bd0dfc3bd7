"""Which instances a C-MOVE or C-GET identifier asks for (PS3.4 sections C.4.2.1.4 and C.4.3.1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from pacs.archive.find import Find
from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dimse.association import Association, Message
from pacs.dimse.identifier import read_identifier
from pacs.dimse.message import CommandField
from pacs.dimse.sop_class import QUERY_RETRIEVE
from pacs.errors import InvalidQuery
from pacs.index.protocol import Entity
from pacs.query.identifier import retrieve_query


@dataclass(frozen=True, slots=True)
class Selection:
    """The instances, with no more of their headers than sending needs; ``uid`` of what was asked for."""

    entities: list[Entity]
    uid: str


def select(find: Find, association: Association, request: Message, operation: CommandField) -> Selection:
    """Read the request's identifier and find its instances.

    Raises InvalidQuery, UnreadableDataSet, IndexUnavailable; PeerFailure where the requestor is lost.
    """
    context = request.context
    served, model = QUERY_RETRIEVE.get(context.abstract_syntax, (None, None))
    if model is None or served is not operation or not request.command.has_data_set:
        raise InvalidQuery("a retrieve needs an identifier, on a presentation context of its SOP class")
    identifier = read_identifier(association.identifier(), context.transfer_syntax)
    query = retrieve_query(identifier, model)
    uid = (
        identifier.text(tags.SOP_INSTANCE_UID)
        or identifier.text(tags.SERIES_INSTANCE_UID)
        or identifier.text(tags.STUDY_INSTANCE_UID)
    )
    # Responses tell how many remain, so all are gathered first: without their headers they are small.
    return Selection([_slim(entity) for entity in find.entities(query)], uid.partition("\\")[0])


def _slim(entity: Entity) -> Entity:
    sop_class_uid = entity.header.text(tags.SOP_CLASS_UID)
    return Entity(entity.identity, Header({tags.SOP_CLASS_UID: sop_class_uid}), entity.location)
