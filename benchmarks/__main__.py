"""``python -m benchmarks``: run scenarios, print their tables, write docs/benchmarks.md."""

from __future__ import annotations

import datetime
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import machine, report
from benchmarks.measurement import Sample, rows
from benchmarks.program import Missing, program
from benchmarks.scenario import bulk, find, growth, move, store
from benchmarks.server import Product
from benchmarks.workspace import Workspace, workspace

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for on the command line; ``scale`` shrinks every size, for a quick look."""

    products: Sequence[Product]
    rounds: int
    scale: float

    def sized(self, size: int) -> int:
        """``size`` after shrinking."""
        return max(1, round(size * self.scale))


def _store(space: Workspace, plan: Plan) -> Iterator[Sample]:
    for load in (store.ct_load(1, plan.scale), store.ct_load(4, plan.scale), store.small_load(plan.scale)):
        yield from store.run(space, plan.products, plan.rounds, load)


def _find(space: Workspace, plan: Plan) -> Iterator[Sample]:
    return find.run(space, plan.products, plan.rounds, plan.sized(10_000))


def _move(space: Workspace, plan: Plan) -> Iterator[Sample]:
    return move.run(space, plan.products, plan.rounds, max(4, plan.sized(1000)))


def _growth(space: Workspace, plan: Plan) -> Iterator[Sample]:
    return growth.run(space, plan.rounds, [plan.sized(size) for size in (10_000, 100_000, 1_000_000)])


def _bulk(space: Workspace, plan: Plan) -> Iterator[Sample]:
    return bulk.run(space, plan.rounds, plan.sized(50_000))


SCENARIOS: Mapping[str, Callable[[Workspace, Plan], Iterator[Sample]]] = {
    "store": _store,
    "find": _find,
    "move": _move,
    "bulk": _bulk,
    "growth": _growth,
}


_PROGRAMS = {Product.ORTHANC: "Orthanc", Product.DCMQRSCP: "dcmqrscp"}


@click.command()
@click.argument("scenarios", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option("--rounds", default=3, show_default=True, help="Rounds of each measure; the median counts.")
@click.option("--scale", default=1.0, show_default=True, help="Multiply every size by this.")
@click.option(
    "--product",
    "products",
    multiple=True,
    default=[product.value for product in Product],
    type=click.Choice([product.value for product in Product]),
    help="Measure only this product (may be given again).",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to put the temporary folder.")
@click.option("--write/--no-write", default=None, help="Update docs/benchmarks.md (default: at full size).")
def main(
    scenarios: tuple[str, ...],
    rounds: int,
    scale: float,
    products: tuple[str, ...],
    folder: Path | None,
    write: bool | None,
) -> None:
    """Measure SCENARIOS (all, when none is named) side by side with Orthanc and dcmqrscp."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = Plan([Product(name) for name in products], rounds, scale)
    try:
        for needed in ("storescu", "findscu", "movescu", "storescp"):
            program(needed)
        for product in plan.products:
            if product in _PROGRAMS:
                program(_PROGRAMS[product])
    except Missing as error:
        raise click.ClickException(str(error)) from error
    complete = scale == 1.0 and set(plan.products) == set(Product)
    with workspace(folder) as space:
        description = machine.describe(space.root)
        click.echo(description)
        for name in scenarios or SCENARIOS:
            samples = []
            for sample in SCENARIOS[name](space, plan):
                figure = f"{sample.value:.4g} {sample.measure.unit}"
                click.echo(f"  {sample.measure.name}: {sample.product} {figure}")
                samples.append(sample)
            text = report.table(rows(samples))
            click.echo(f"\n{text}\n")
            if write if write is not None else complete:
                heading = f"Measured {datetime.date.today()}, median of {rounds} rounds; {description}."
                report.write_part(DOCUMENT, name, f"{heading}\n\n{text}")


if __name__ == "__main__":
    main()
