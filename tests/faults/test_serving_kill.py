"""The worker is killed under load, again and again: what was answered is in the log, and the log can be read."""

import os
import signal
import threading
import time
from collections import defaultdict
from pathlib import Path

import httpx

from tests.serving import logged, tiny

CLIENTS = 4
KILLS = 3
ANSWERS_BETWEEN_KILLS = 200
PATIENCE_SECONDS = 120


class Load:
    """Clients that ask until they are told to stop, and remember what was answered to them."""

    def __init__(self, url: str) -> None:
        self.answered: list[str] = []
        self.failures = 0
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        wanted, deadline = len(self.answered) + more, time.monotonic() + PATIENCE_SECONDS
        while len(self.answered) < wanted:
            assert time.monotonic() < deadline, f"only {len(self.answered)} of {wanted} answers"
            time.sleep(0.01)

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            count = 0
            while not self._stop.is_set():
                count += 1
                identity = f"{number}-{count}"
                try:
                    response = client.post("/recommend", json={"user_id": "ann"}, headers={"X-Request-ID": identity})
                except httpx.TransportError:
                    self.failures += 1
                    time.sleep(0.01)
                    continue
                assert response.status_code == 200, response.text
                self.answered.append(response.json()["request_id"])


def test_what_was_answered_before_a_kill_is_in_the_log(tmp_path: Path) -> None:
    tiny.write(tmp_path / "servable")
    environment = {"PODIUM_SERVABLE": str(tmp_path / "servable")}
    with (
        tiny.serving("serving.service:Podium", tmp_path, environment=environment) as server,
        Load(server.url) as load,
    ):
        for _ in range(KILLS):
            load.wait_for(ANSWERS_BETWEEN_KILLS)
            os.kill(server.worker, signal.SIGKILL)
        load.wait_for(ANSWERS_BETWEEN_KILLS)
    assert load.failures > 0, "a kill that no client notices proves nothing"
    found = [record.request_id for record in logged.records(tmp_path / "exposures")]
    assert len(set(found)) == len(found)
    assert set(load.answered) <= set(found)
    assert len(found) - len(load.answered) <= KILLS * CLIENTS + CLIENTS, "only answers on their way may be unknown"
    assert logged.lost(tmp_path / "exposures") == []
    assert_each_process_has_its_file(tmp_path / "exposures")


def assert_each_process_has_its_file(folder: Path) -> None:
    sequences: dict[str, list[int]] = defaultdict(list)
    for path in folder.iterdir():
        for line in path.read_bytes().splitlines():
            sequences[path.name].append(int(line.partition(b'"sequence":')[2].partition(b",")[0]))
    assert len({name.split("-")[3] for name in sequences}) == KILLS + 1
    for found in sequences.values():
        assert found == list(range(len(found)))
