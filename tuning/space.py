"""A model's search space as Optuna has it, and what it draws as settings of the model again."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from optuna import Trial

import params

Label = bool | int | float | str | None
Drawn = dict[str, Any]
"""Setting -> value as Optuna keeps it: a number, or a choice's `label`."""
DIGITS: Final = 12
"""Decimals of a value that was reached in steps: 0.1 + 0.05 is 0.15 and not 0.15000000000000002."""


class SpaceError(ValueError):
    """A search space does not suit the way in which it is to be searched."""


class Space:
    """Where to look for the settings of one model."""

    def __init__(self, model: params.ModelSection, domains: Mapping[str, params.Domain]) -> None:
        """Of checked `domains`, see `params.load`."""
        self._model = model
        self._domains = dict(domains)
        self._types = params.types_of(model)

    def drawn(self, trial: Trial) -> Drawn:
        """What a trial's sampler suggests."""
        return {name: self._suggested(trial, name, domain) for name, domain in self._domains.items()}

    def settings(self, drawn: Drawn) -> params.ModelSection:
        """The model's settings with those that were drawn."""
        return params.settings_of(self._model, **self.values(drawn))

    def values(self, drawn: Drawn) -> dict[str, Any]:
        """What was drawn as it is written in params.yaml; an interrupted trial may have drawn a part of it."""
        return {name: self._value(domain, drawn[name]) for name, domain in self._domains.items() if name in drawn}

    def present(self) -> Drawn | None:
        """The model's settings as they are now, as if they had been drawn; None when they lie outside the space."""
        now = {name: getattr(self._model, name) for name in self._domains}
        if not all(_holds(domain, now[name]) for name, domain in self._domains.items()):
            return None
        return {name: label(value) for name, value in now.items()}

    def fixed(self) -> dict[str, Any]:
        """The settings that are not searched, and the model's family."""
        return {name: value for name, value in msgspec.to_builtins(self._model).items() if name not in self._domains}

    def grid(self) -> dict[str, list[Label]]:
        """Setting -> all its values.

        Raises:
            SpaceError: a range has no steps, and so no end of values.
        """
        return {name: self._points(name, domain) for name, domain in self._domains.items()}

    def _points(self, name: str, domain: params.Domain) -> list[Label]:
        if isinstance(domain, params.Choices):
            return [label(value) for value in domain.choices]
        assert isinstance(domain, params.Range)
        kind = self._types[name]
        step = domain.step or (1.0 if kind is int and not domain.log else 0.0)
        if not step:
            raise SpaceError(
                f"the sampler grid needs choices or a range with a step for each setting. Received: {name} with "
                f"low {domain.low:g}, high {domain.high:g}, log {domain.log}. Give it choices, or sample random or tpe"
            )
        count = round((domain.high - domain.low) / step) + 1
        return [kind(round(domain.low + place * step, DIGITS)) for place in range(count)]

    def _suggested(self, trial: Trial, name: str, domain: params.Domain) -> Any:  # noqa: ANN401  # any setting's value
        if isinstance(domain, params.Choices):
            return trial.suggest_categorical(name, [label(value) for value in domain.choices])
        assert isinstance(domain, params.Range)
        if self._types[name] is int:
            low, high, step = int(domain.low), int(domain.high), int(domain.step) or 1
            return trial.suggest_int(name, low, high, log=domain.log, step=step)
        return trial.suggest_float(name, domain.low, domain.high, log=domain.log, step=domain.step or None)

    def _value(self, domain: params.Domain, drawn: object) -> object:
        if isinstance(domain, params.Choices):
            return next(value for value in domain.choices if label(value) == drawn)
        assert isinstance(domain, params.Range)
        return round(drawn, DIGITS) if domain.step and isinstance(drawn, float) else drawn


def label(value: Any) -> Label:  # noqa: ANN401  # whatever a setting can be
    """A choice as Optuna can keep it: a list as its JSON, anything else as it is."""
    kept: Label = msgspec.json.encode(value).decode() if isinstance(value, list) else value
    return kept


def _holds(domain: params.Domain, value: Any) -> bool:  # noqa: ANN401  # whatever a setting can be
    if isinstance(domain, params.Choices):
        return value in domain.choices
    assert isinstance(domain, params.Range)
    steps = (value - domain.low) / domain.step if domain.step else 0.0
    return bool(domain.low <= value <= domain.high and abs(steps - round(steps)) < params.TOLERANCE)
