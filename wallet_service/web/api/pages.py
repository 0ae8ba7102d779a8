"""Lists, a page at a time: each page begins after the last key of the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Row = TypeVar("Row")


def page_of(
    found: Sequence[Row], limit: int, *, key: Callable[[Row], int | str], answer: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """The answer to a list call: `items`, and `next`, the key to go on after, null on the last page.

    Args:
        found: the rows after the asked key, in its order, one more than `limit` if there are more.
    """
    page = found[:limit]
    return {"items": [answer(row) for row in page], "next": key(page[-1]) if len(found) > limit else None}
