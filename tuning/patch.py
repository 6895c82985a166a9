"""Better values written into params.yaml: the values alone, so that comments, order and layout stay as they were.

PyYAML says where in the text a value begins and ends; what stands there is replaced, and nothing is written unless the
new text, read again, differs from the old one in these values and in nothing else.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import durable
import params

Values = Mapping[str, Any]
"""Setting of a model -> value."""


class PatchError(ValueError):
    """A value cannot be replaced where it stands."""


def shown(model: str, values: Values) -> str:
    """The values as a part of params.yaml."""
    lines = [f"      {name}: {_scalar(value)}\n" for name, value in values.items()]
    return f"train:\n  models:\n    {_scalar(model)}:\n{''.join(lines)}"


def write(path: Path, model: str, values: Values) -> None:
    """Replaces a model's values in params.yaml; the file is wholly old or wholly new.

    Raises:
        PatchError: a value does not stand in the file as a value of its own.
        params.ParamsError: what would be written is refused; the file is as it was.
    """
    text = applied(path.read_bytes().decode(), model, values)
    tried = path.with_name(f"{path.stem}.tuned{path.suffix}")
    try:
        durable.write_bytes(tried, text.encode())
        params.load(tried)
    finally:
        tried.unlink(missing_ok=True)
    durable.write_bytes(path, text.encode())


def applied(text: str, model: str, values: Values) -> str:
    """The text of params.yaml with a model's values replaced.

    Raises:
        PatchError: a value does not stand in the file as a value of its own, but comes from an anchor, say.
    """
    mapping = _mapping(yaml.compose(text, Loader=yaml.SafeLoader), "train", "models", model)
    found = {key.value: node for key, node in mapping.value}
    if missing := [name for name in values if name not in found]:
        raise PatchError(f"train.models.{model} must have a value for each of {list(values)}. Missing: {missing}")
    changed = text
    for name in sorted(values, key=lambda name: -found[name].start_mark.index):
        node = found[name]
        changed = changed[: node.start_mark.index] + _scalar(values[name]) + changed[_end(node) :]
    wanted = copy.deepcopy(yaml.safe_load(text))
    wanted["train"]["models"][model] |= dict(values)
    try:
        same = yaml.safe_load(changed) == wanted
    except yaml.YAMLError:  # the value was an anchor, which others had stood for
        same = False
    if not same:
        raise PatchError(
            f"train.models.{model}: each of {', '.join(values)} must stand in the file as a value of its own, and not "
            "share an anchor. Write them in yourself"
        )
    return changed


def _mapping(node: yaml.Node | None, *keys: str) -> yaml.MappingNode:
    for key in keys:
        assert isinstance(node, yaml.MappingNode)  # params.load has read the file
        node = next(value for name, value in node.value if name.value == key)
    assert isinstance(node, yaml.MappingNode)
    return node


def _end(node: yaml.Node) -> int:
    """Where a value ends; a block list's own mark lies behind the comments that follow it."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _scalar(value: object) -> str:
    """A value on one line, read back by PyYAML as it was: 5.0e-05, which 5e-05 is not."""
    return yaml.safe_dump(value, default_flow_style=True, width=2**16).removesuffix("\n").removesuffix("\n...")
