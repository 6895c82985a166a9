"""What the screen shows of data is what the data says."""

from io import StringIO

from rich.console import Console

from flows import screen
from monitoring.verdict import Reason, Verdict
from promotion.gate import Check
from tasks.replay import Window

TITLE = "Alien [director's cut] [/b] :cat: [bold]x[/bold]"


def _shown(what: object) -> str:
    file = StringIO()
    Console(file=file, width=300).print(what)
    return file.getvalue()


def test_titles_and_names_are_shown_as_they_are() -> None:
    file = StringIO()
    answer = {"items": [{"title": TITLE}], "fallback": TITLE, "milliseconds": 1.25}
    screen.answers(Console(file=file, width=300), {f"user {TITLE}": answer})
    assert file.getvalue() == f"user {TITLE}: {TITLE}  (fallback: {TITLE})  1.2 ms\n"


def test_checks_and_reasons_are_shown_as_they_are() -> None:
    check = Check(f"slice:{TITLE}", "held", TITLE, 0, 0, 0, 0)
    assert _shown(screen._check(check)).strip() == f"held         slice:{TITLE}: {TITLE}"
    window = Window(requests=2, hits=1, fallbacks=0, p50_ms=1, p99_ms=2, start=0, end=1)
    verdict = Verdict("drift", (Reason("column", TITLE),))
    assert f"column: {TITLE}" in _shown(screen._traffic([window, window], verdict))
