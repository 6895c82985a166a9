"""Named experiments: what params.yaml has to say otherwise, in benchmarks/experiments/."""

from pathlib import Path
from typing import Any

import msgspec
import yaml


def written(experiment: Path, home: Path, *, elsewhere: bool = True) -> Path:
    """Writes params.yaml with an experiment's values to `home`, and returns the file.

    Args:
        experiment: YAML of the values that differ.
        home: a folder, which is made.
        elsewhere: every path of the parameters is below `home`, the data too; otherwise paths stay as they are.
    """
    found = yaml.safe_load(Path("params.yaml").read_text())
    changed = yaml.safe_load(experiment.read_text())
    if elsewhere:
        changed["paths"] = {name: str(home / Path(path).name) for name, path in found["paths"].items()}
    _merge(found, changed)
    home.mkdir(parents=True, exist_ok=True)
    file = home / "params.yaml"
    file.write_bytes(msgspec.yaml.encode(found))
    return file


def _merge(whole: dict[str, Any], changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        # Contestants are said as a whole: one that is left out is not wanted.
        if isinstance(value, dict) and isinstance(whole.get(name), dict) and name != "contestants":
            _merge(whole[name], value)
        else:
            whole[name] = value
