import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks import ranking
from evaluation import protocol
from evaluation.protocol import MISS

ROOT = Path(__file__).parents[2]


def test_both_ways_give_the_same_answer() -> None:
    ours, theirs = (ranking.measure(subject, 150, 40_000) for subject in (ranking.OURS, ranking.PEER))
    assert ours.answer == theirs.answer
    # The control: another question has another answer.
    assert ranking.measure(ranking.OURS, 151, 40_000).answer != ours.answer


def test_the_peer_sees_misses_and_places_as_we_do() -> None:
    scorer, queries = ranking._questions(64, 200)
    catalogue = np.arange(200) > 1
    found = ranking.full_argsort(scorer, queries, catalogue)
    expected = protocol.rank(scorer, queries, catalogue, k=ranking.LENGTH, chunk_size=10)
    assert found.rank.tolist() == expected.rank.tolist()
    assert found.lists.tolist() == expected.lists.tolist()
    assert 0 < (found.rank == MISS).sum() < 64


def test_a_run_in_a_process_of_its_own_says_what_it_took() -> None:
    command = [sys.executable, "-m", "benchmarks.ranking", ranking.OURS, "20", "5000"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
    assert answer["seconds"] > 0
    # Any process with numpy has more than 20 MB, and this one has no business with more than a gigabyte.
    assert 20 < answer["megabytes"] < 1000
    assert answer["answer"] == ranking.measure(ranking.OURS, 20, 5000).answer
