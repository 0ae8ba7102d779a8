"""A form as a page shows it: fields with what was typed, their limits and what is wrong with them. Pure.

The document that the API has says all of it: which fields there are, their limits, and the faults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from wallet_service.errors import Fault
from wallet_service.web.document_shape import Leaf, leaf_at
from wallet_service.web.fault_words import sentence_of
from wallet_service.web.form_values import Raw, compact, rows_in
from wallet_service.web.locale import Reader


@dataclass(frozen=True)
class Field:
    """One field as a page shows it. Templates hand it to the macros of `parts/fields.html`."""

    name: str
    id: str
    label: str
    values: tuple[str, ...]
    errors: tuple[str, ...]
    leaf: Leaf

    @property
    def value(self) -> str:
        """As typed; of several values the last."""
        return self.values[-1] if self.values else ""

    @property
    def ticked(self) -> bool:
        """For a box: whether it is on."""
        return any(value.strip() for value in self.values)


@dataclass(frozen=True)
class Problem:
    """One line of the summary above a form: what is wrong, and the id of the field where it can be mended."""

    sentence: str
    field_id: str | None


class Form:
    """A document's fields with what was typed and what is wrong with it.

    Args:
        document: the document that the form writes.
        raw: what was typed, or `flatten` of what is stored.
        faults: what the document, or what was done with it, has refused.
        reader: who reads the page.
        labels: the fields that the page shows, in its order, each with its label.
    """

    def __init__(
        self, document: type[BaseModel], raw: Raw, faults: Sequence[Fault], reader: Reader, labels: Mapping[str, str]
    ) -> None:
        self._document = document
        self._raw = compact(raw)
        self._reader = reader
        self._labels = labels
        self._faults: dict[str | None, list[Fault]] = {}
        for fault in faults:
            self._faults.setdefault(self._shown_at(name_of(fault.path)), []).append(fault)

    def __getitem__(self, name: str) -> Field:
        """The field of that name; the page must have a label for it, and the document a place."""
        leaf = leaf_at(self._document, name.split("."))
        if leaf is None:
            raise KeyError(f"{self._document.__name__} has no value at {name!r}")
        return Field(
            name=name,
            id=id_of(name),
            label=self._labels[name],
            values=tuple(self._raw.get(name, ())),
            errors=tuple(dict.fromkeys(self._sentence(fault) for fault in self._faults.get(name, ()))),
            leaf=leaf,
        )

    @property
    def is_refused(self) -> bool:
        """Whether anything is wrong: the page's title then begins with the word for it."""
        return bool(self._faults)

    @property
    def problems(self) -> list[Problem]:
        """The summary, in the order of the page; what no field of the page shows comes first."""
        lines = [Problem(self._sentence(fault), None) for fault in self._faults.get(None, ())]
        for name, label in self._labels.items():
            for fault in self._faults.get(name, ()):
                told = self._reader.gettext("%(label)s: %(sentence)s", label=label, sentence=self._sentence(fault))
                lines.append(Problem(told, id_of(name)))
        return list(dict.fromkeys(lines))

    def rows(self, prefix: str) -> int:
        """How many rows of `prefix` (`beacons`) hold something."""
        return len({index for name in self._raw for at, index in rows_in(name) if at == prefix})

    def _sentence(self, fault: Fault) -> str:
        return sentence_of(fault, self._reader)

    def _shown_at(self, name: str) -> str | None:
        """The field that shows a fault: itself, else the nearest above it, else the first below it."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            if (above := ".".join(parts[:length])) in self._labels:
                return above
        return next((each for each in self._labels if name and each.startswith(f"{name}.")), None)


def id_of(name: str) -> str:
    """The id of the field of that name, apart from the other ids of a page."""
    return "field-" + name.replace(".", "-")


def name_of(path: str) -> str:
    """The name of the field that a fault's path means: `lines[2].amount` is `lines.2.amount`."""
    return re.sub(r"\[(\d+)\]", r".\1", path).lstrip(".")
