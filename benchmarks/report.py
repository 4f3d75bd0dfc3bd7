"""Tables for people, and the generated parts of docs/benchmarks.md.

Each scenario owns the text between its two markers; what is written by hand stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measurement import Row
from benchmarks.server import Product


def table(rows: Sequence[Row]) -> str:
    """A Markdown table: medians, and how many times better we are."""
    lines = [
        "| Scenario | Unit | Ours | Orthanc | dcmqrscp | Ours / Orthanc | Aim | Ours / dcmqrscp |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        ratio = row.ratio(Product.ORTHANC)
        aim = f"{row.measure.target:g}" if row.measure.target else ""
        if aim and ratio is not None:
            aim += " (reached)" if ratio >= row.measure.target else " (**missed**)"
        cells = [
            row.measure.name,
            row.measure.unit,
            *(
                _figure(row.medians.get(product))
                for product in (Product.OURS, Product.ORTHANC, Product.DCMQRSCP)
            ),
            _ratio(ratio),
            aim,
            _ratio(row.ratio(Product.DCMQRSCP)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [note for row in rows for note in row.notes]
    return "\n".join(lines + [""] + [f"- {note}" for note in dict.fromkeys(notes)]).rstrip()


def write_part(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the markers of ``name`` in ``path``, at the end where it has none yet."""
    begin, end = f"<!-- generated: {name} -->", f"<!-- end of generated: {name} -->"
    part = f"{begin}\n{text}\n{end}"
    document = path.read_text() if path.exists() else "# Benchmarks\n"
    if begin in document and end in document:
        head, _, rest = document.partition(begin)
        _, _, tail = rest.partition(end)
        document = head + part + tail
    else:
        document = f"{document.rstrip()}\n\n{part}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
