"""``pacs query``: free text and field search, printed for people or as JSON."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable

import click

from pacs.app import use_case
from pacs.cli.option import takes_settings
from pacs.cli.output import count, table
from pacs.dicom import tags
from pacs.dicom.attribute import keyword_of
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.settings import Effective

COLUMNS: dict[Level, tuple[int, ...]] = {
    Level.PATIENT: (
        tags.PATIENT_ID,
        tags.PATIENT_NAME,
        tags.PATIENT_BIRTH_DATE,
        tags.PATIENT_SEX,
        tags.NUMBER_OF_PATIENT_RELATED_STUDIES,
        tags.NUMBER_OF_PATIENT_RELATED_INSTANCES,
    ),
    Level.STUDY: (
        tags.STUDY_DATE,
        tags.MODALITIES_IN_STUDY,
        tags.PATIENT_ID,
        tags.PATIENT_NAME,
        tags.STUDY_DESCRIPTION,
        tags.NUMBER_OF_STUDY_RELATED_SERIES,
        tags.NUMBER_OF_STUDY_RELATED_INSTANCES,
        tags.STUDY_INSTANCE_UID,
    ),
    Level.SERIES: (
        tags.MODALITY,
        tags.SERIES_NUMBER,
        tags.SERIES_DESCRIPTION,
        tags.PATIENT_ID,
        tags.NUMBER_OF_SERIES_RELATED_INSTANCES,
        tags.SERIES_INSTANCE_UID,
    ),
    Level.IMAGE: (
        tags.MODALITY,
        tags.INSTANCE_NUMBER,
        tags.PATIENT_ID,
        tags.SOP_CLASS_UID,
        tags.SOP_INSTANCE_UID,
    ),
}
WIDEST_CELL = 64  # a UID's length


@click.command("query")
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--level",
    type=click.Choice([level.name.lower() for level in Level], case_sensitive=False),
    default="study",
    show_default=True,
    help="What to list.",
)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The most to list.")
@click.option("--json", "as_json", is_flag=True, help="Print every attribute, a JSON object a line.")
@takes_settings("data", "storage", "index", "config")
def command(effective: Effective, text: tuple[str, ...], level: str, limit: int, as_json: bool) -> None:
    """Search the archive for TEXT: words of any attribute, and Keyword:value for one of them.

    AND, OR, NOT and brackets combine; "..." is a phrase, * and ? are wild cards, [a TO b] is a range, and
    Sequence.Keyword:value reaches into items. --level says what is listed, and it is listed if anything in it
    matches; --limit says how many. It works whether or not a server runs on the same --data.

    \b
    Examples:
      pacs query smith
      pacs query "PatientName:DOE* AND Modality:CT"
      pacs query "StudyDate:[20240101 TO 20241231]" --level series --json
    """
    wanted = Level[level.upper()]
    with use_case.found(effective.settings, " ".join(text), wanted) as headers:
        if as_json:
            for header in itertools.islice(headers, limit):
                click.echo(json.dumps(as_object(header), ensure_ascii=False))
            return
        shown = list(itertools.islice(headers, limit))
        more = next(iter(headers), None) is not None
    for line in lines(wanted, shown):
        click.echo(line)
    many = {"patient": "patients", "study": "studies", "series": "series", "image": "images"}[level]
    words = count(len(shown), level, many)
    click.echo(f"{words}, and more: --limit shows them" if more else words, err=True)


def lines(level: Level, headers: Iterable[Header]) -> list[str]:
    """The table of ``headers``; none where there are none."""
    columns = COLUMNS[level]
    rows = [[header.text(tag) for tag in columns] for header in headers]
    width = WIDEST_CELL if sys.stdout.isatty() else None
    return table([keyword_of(tag) for tag in columns], rows, width) if rows else []


def as_object(header: Header) -> dict[str, object]:
    """``header`` by keyword, or ``ggggeeee`` where an attribute has none; items as lists of objects."""
    return {keyword_of(tag) or f"{tag:08X}": _plain(value) for tag, value in header.values.items()}


def _plain(value: Value) -> object:
    return value if isinstance(value, str) else [as_object(item) for item in value]
