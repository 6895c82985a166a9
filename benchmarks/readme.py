"""Writes the tables of README.md from docs/results; `--check` only compares."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import durable
from benchmarks import cold_items_table, compression_table, families_table, quality_table, serving_table
from benchmarks.results import FOLDER, Result, read

README: Final = Path("README.md")
BEGIN: Final = "<!-- {}: made by `python -m benchmarks.readme`, do not edit -->"
END: Final = "<!-- end of {} -->"
TABLES: Final[Mapping[str, Callable[[Sequence[Result]], str]]] = {
    "families": families_table.alone,
    "cold_items": cold_items_table.found,
    "quality": quality_table.tables,
    "compression": compression_table.best,
    "serving": serving_table.loaded,
}
"""Name of a results file -> its tables."""


def main(arguments: list[str]) -> int:
    """Updates the README, or says that it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the README is out of date")
    check = parser.parse_args(arguments).check
    text = updated = README.read_text()
    for name, made in TABLES.items():
        updated = replaced(updated, name, made(read(FOLDER / f"{name}.csv")))
    if check:
        return int(updated != text)
    durable.write_bytes(README, updated.encode())
    return 0


def replaced(text: str, name: str, tables: str) -> str:
    """`text` with what stands between the two marks of that name replaced."""
    first, last = BEGIN.format(name), END.format(name)
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise SystemExit(f"{README}: must hold the lines {first!r} and {last!r}")
    return f"{before}{first}\n\n{tables}\n\n{last}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
