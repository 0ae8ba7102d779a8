"""Reads an HTML page as strictly as a checker would: parse errors, h1, labels, ids, nothing inline, nothing foreign."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import html5lib

_UNLABELLED = ("hidden", "submit", "button")
_REFERENCES = ("aria-describedby", "aria-labelledby", "aria-controls")


@dataclass(frozen=True)
class Page:
    """A parsed page."""

    tree: Element
    errors: tuple[str, ...]

    @property
    def title(self) -> str:
        """The words of `<title>`."""
        return "".join(self.one("title").itertext()).strip()

    @property
    def language(self) -> str | None:
        """`<html lang>`."""
        return self.tree.get("lang")

    @property
    def text(self) -> str:
        """All words of the body, white space folded."""
        return re.sub(r"[ \n\t]+", " ", " ".join(self.one("body").itertext())).strip()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag with these attributes."""
        return [
            each
            for each in self.tree.iter(tag)
            if all(each.get(name.replace("_", "-")) == value for name, value in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements {tag} {attributes}"
        return found[0]

    def faults(self) -> list[str]:
        """What is wrong with the page as such."""
        return [*self.errors, *self._of_structure(), *self._of_fields(), *self._of_policy()]

    def _of_structure(self) -> Iterator[str]:
        if len(self.all("h1")) != 1:
            yield f"{len(self.all('h1'))} h1"
        if not self.title:
            yield "no title"
        if not self.language:
            yield "no language"
        ids = [each.get("id", "") for each in self.tree.iter() if each.get("id") is not None]
        yield from (f"id {name!r} {ids.count(name)} times" for name in sorted(set(ids)) if ids.count(name) > 1)
        for each in self.tree.iter():
            for attribute in _REFERENCES:
                for name in (each.get(attribute) or "").split():
                    if name not in ids:
                        yield f"{attribute} names {name!r}, which is not there"
            if each.tag == "a" and (each.get("href") or "").startswith("#") and each.get("href", "")[1:] not in ids:
                yield f"a link leads to {each.get('href')}, which is not there"
            if each.tag == "img" and each.get("alt") is None:
                yield f"img {each.get('src')} without alt"

    def _of_fields(self) -> Iterator[str]:
        labels = {label.get("for") for label in self.tree.iter("label")}
        wrapped = {id(field) for label in self.tree.iter("label") for field in label.iter()}
        for tag in ("input", "select", "textarea"):
            for field in self.tree.iter(tag):
                is_labelled = field.get("id") in labels or id(field) in wrapped
                if field.get("type") not in _UNLABELLED and not is_labelled:
                    yield f"{tag} {field.get('name')!r} without label"
        for button in self.tree.iter("button"):
            if not "".join(button.itertext()).strip():
                yield "a button without words"

    def _of_policy(self) -> Iterator[str]:
        for each in self.tree.iter():
            if each.get("style") is not None:
                yield f"style= on {each.tag}"
            yield from (f"{name}= on {each.tag}" for name in each.attrib if str(name).startswith(("on", "hx-on")))
            if each.tag == "style" or (each.tag == "script" and each.get("src") is None):
                yield f"inline {each.tag}"
            for name in ("src", "href") if each.tag in ("script", "img", "link") else ():
                if urlsplit(each.get(name) or "").netloc:
                    yield f"{each.tag} from elsewhere: {each.get(name)}"


def read_page(html: str) -> Page:
    """Parse as HTML 5, keeping every parse error."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parse(html)
    return Page(tree, tuple(f"parse error: {code} at {position}" for position, code, _ in parser.errors))
