"""Tables in Markdown."""

from collections.abc import Collection


def head(*names: str, words: Collection[str] = ()) -> list[str]:
    """The two lines above a table's rows.

    Args:
        names: of the columns.
        words: columns of text; the first one always is, numbers stand to the right.
    """
    return [line(*names), line("---", *("---" if name in words else "---:" for name in names[1:]))]


def line(*cells: str) -> str:
    """One row, or the names."""
    return f"| {' | '.join(cells)} |"
