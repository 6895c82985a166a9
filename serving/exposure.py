"""What was recommended to whom: an append-only log of JSON lines that monitoring reads.

Each process writes a file of its own for a day, and another one when the clock is set to another day, in writes of
whole lines, one for all answers that are given together, so a killed process leaves at most one torn line, at the end.
The system keeps what a killed process wrote; against a power cut a background thread flushes to disk once a second, so
that at most the last second is lost and no request waits for a disk.

A log that cannot be written never fails a request: the record is dropped, counted, and its sequence number is left
out, so that a reader sees the gap as soon as a later record is there: in the same file, or in the next one, which
begins with as many numbers left out as were lost at the end of the one before. At the end of the process the last lost
record is tried once more. Of a process that is killed while nothing can be written only the service's own log tells.
"""

import logging
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

FLUSH_SECONDS: Final = 1.0
COMPLAINT_SECONDS: Final = 60.0

logger = logging.getLogger("bentoml.podium.exposure")


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. The lists run over its items, best first."""

    sequence: int = 0
    """Number within the file, from 0, lost ones counted; given by the log."""
    request_id: str
    time: float
    """Seconds since 1970-01-01 UTC at which the request was answered."""
    version: str
    user_id: str | None
    history: int
    """Number of known items the answer was made from."""
    ignored: int
    """Number of ids in the request's history that the model does not know."""
    k: int
    fallback: str | None
    items: list[str]
    positions: list[int]
    """Place of each item in the answer, from 1."""
    scores: list[float]
    latency_ms: float
    popularity_rank: list[int | None]
    """Place of each item in the recent popularity list, from 1; null when it is not in there."""


class ExposureLog:
    """Appends from one thread (the event loop's); flushes from another."""

    def __init__(self, folder: Path) -> None:
        """Starts the flushing thread; the first file is made by the first record.

        Args:
            folder: made if absent.
        """
        self.folder = folder
        self.dropped = 0
        self._date = ""
        self._path = folder
        self._descriptor = -1
        self._retired: list[int] = []
        self._sequence = 0
        self._unseen = 0  # lost since the last whole record: no number after theirs tells of them yet
        self._last_lost: Exposure | None = None
        self._torn = False
        self._dirty = False
        self._complained = -COMPLAINT_SECONDS
        self._closing = threading.Event()
        self._encoder = msgspec.json.Encoder()
        self._flusher = threading.Thread(target=self._flush_until_closed, name="exposure-flush", daemon=True)
        self._flusher.start()

    def append(self, *exposures: Exposure) -> None:
        """Writes records in one write, to the file of the first one's day; drops and counts what the system refuses."""
        whole = 0
        try:
            self._open(datetime.fromtimestamp(exposures[0].time, UTC).date().isoformat())
            numbered = [
                msgspec.structs.replace(exposure, sequence=number)
                for number, exposure in enumerate(exposures, start=self._sequence)
            ]
            whole = self._write(self._encoder.encode_lines(numbered))
            if whole < len(exposures):
                raise OSError(f"only {whole} of {len(exposures)} records were written; is the disk full?")
            self._unseen = 0
        except OSError as error:
            lost = len(exposures) - whole
            self._unseen = lost if whole else self._unseen + lost
            self._last_lost = exposures[-1]
            self._complain(error, lost=lost)
        self._sequence += len(exposures)

    def close(self) -> None:
        """Flushes everything to disk and ends the thread; nothing can be appended afterwards."""
        if self._unseen and self._last_lost is not None:
            self._append_again(self._last_lost)
        self._closing.set()
        self._flusher.join()
        self._retire()
        self._flush()

    def _append_again(self, lost: Exposure) -> None:
        """Under the same number, as if it had not been tried yet."""
        self._sequence -= 1
        self._unseen -= 1
        self.dropped -= 1
        self.append(lost)

    def _open(self, date: str) -> None:
        if date != self._date:
            self._retire()
            self._date, self._sequence, self._torn = date, self._unseen, False
            # A clock that is set back comes to a day again, and its file has these numbers already.
            self._path = self.folder / f"{date}-{os.getpid()}-{time.time_ns()}.jsonl"
        if self._descriptor < 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def _write(self, lines: bytes) -> int:
        """How many of the lines are whole on the disk."""
        # A full disk may take half a line. The next record then starts a line of its own.
        data = b"\n" + lines if self._torn else lines
        written = os.write(self._descriptor, data)
        whole = data[:written].count(b"\n") - self._torn
        self._dirty, self._torn = True, written < len(data)
        return whole

    def _complain(self, error: OSError, *, lost: int) -> None:
        self.dropped += lost
        now = time.monotonic()
        if now - self._complained >= COMPLAINT_SECONDS:
            self._complained = now
            logger.error("EXPOSURES ARE LOST, %d so far: cannot write below %s: %s", self.dropped, self.folder, error)

    def _retire(self) -> None:
        """Hands the open file to the flusher, the only one who closes."""
        if self._descriptor >= 0:
            self._retired.append(self._descriptor)
            self._descriptor = -1

    def _flush_until_closed(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()

    def _flush(self) -> None:
        while self._retired:
            descriptor = self._retired.pop()
            _sync(descriptor)
            os.close(descriptor)
        if self._dirty and self._descriptor >= 0:
            self._dirty = False
            _sync(self._descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        logger.error("exposures may not survive a power cut: fsync failed: %s", error)
