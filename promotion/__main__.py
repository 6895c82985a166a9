"""`python -m promotion list|show|history|verify|rollback`: a registry at the command line."""

import argparse
import getpass
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

import params
from promotion.registry import LedgerError, Registry, RegistryError

SHORT: Final = 12
"""Characters of a digest in a table; `show` prints them all."""


def _print(lines: str | Table) -> None:
    """Prints plain text; wide enough for a table's every row to stay one line where nobody looks at a terminal."""
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(Text(lines) if isinstance(lines, str) else lines, soft_wrap=isinstance(lines, str))


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def show_list(registry: Registry) -> None:
    """Prints every version and the aliases that stand for it."""
    aliases = registry.aliases()
    rows = [
        (version.digest[:SHORT], version.time, version.bytes, len(version.files), " ".join(names))
        for version in registry.versions()
        for names in [[alias for alias, digest in aliases.items() if digest == version.digest]]
    ]
    _print(_table(("version", "registered", "bytes", "files", "alias"), rows) if rows else "no versions")


def show_version(registry: Registry, name: str) -> None:
    """Prints one version, its files and what was decided about it."""
    version = registry.resolve(name)
    _print(f"version     {version.digest}\nregistered  {version.time}\nbytes       {version.bytes}")
    _print(f"path        {version.path}\n")
    _print(_table(("file", "sha256"), version.files.items()))
    for event in registry.history():
        if event.digest == version.digest:
            moved = f"{event.kind} {event.alias}".strip()
            _print(f"\ngeneration {event.generation}: {moved} by {event.actor} at {event.time}: {event.reason}")
            _print(event.decision)


def show_history(registry: Registry) -> None:
    """Prints all events, oldest first."""
    header = ("generation", "time", "kind", "alias", "version", "before", "actor", "reason")
    rows = [
        (e.generation, e.time, e.kind, e.alias, e.digest[:SHORT], e.previous[:SHORT], e.actor, e.reason)
        for e in registry.history()
    ]
    _print(_table(header, rows) if rows else "no events")


def verify(registry: Registry) -> int:
    """Checks everything the registry holds; 1 when something is wrong, and each wrong thing on a line."""
    problems = registry.problems()
    for problem in problems:
        _print(problem)
    if problems:
        return 1
    _print(f"whole: {len(registry.versions())} versions, {registry.generation()} events")
    return 0


def rollback(registry: Registry, actor: str, reason: str) -> None:
    """Makes the previous champion champion again."""
    generation = registry.rollback(expected_generation=registry.generation(), actor=actor, reason=reason)
    _print(f"generation {generation}: champion is {registry.aliases()['champion']}")


def run(options: argparse.Namespace) -> int:
    """Does what the command line says and returns the exit code."""
    folder = options.registry or params.load().paths.registry
    with Registry(folder, make=False) as registry:
        match options.command:
            case "list":
                show_list(registry)
            case "show":
                show_version(registry, options.name)
            case "history":
                show_history(registry)
            case "verify":
                return verify(registry)
            case "rollback":
                rollback(registry, options.actor or getpass.getuser(), options.reason)
    return 0


def main(arguments: list[str]) -> int:
    """0 when it did its work; 1 on a registry that isn't whole or a request it can't meet, the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m promotion", description="Look at a registry, or roll it back.")
    parser.add_argument("--registry", type=Path, help="folder; default: paths.registry of params.yaml")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="versions and their aliases")
    show = commands.add_parser("show", help="one version, verified, with its files and decisions")
    show.add_argument("name", metavar="ALIAS", help="champion, challenger, or a digest's first 8 or more characters")
    commands.add_parser("history", help="all decisions")
    commands.add_parser("verify", help="check database, history and every version's bytes")
    back = commands.add_parser("rollback", help="make the previous champion champion again")
    back.add_argument("--reason", required=True, help="kept in the history")
    back.add_argument("--actor", help="default: the user's name")
    try:
        return run(parser.parse_args(arguments))
    except (RegistryError, LedgerError, params.ParamsError, sqlite3.Error, OSError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(Text(f"{type(error).__name__}: {error}"))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
