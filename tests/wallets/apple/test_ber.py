"""From BER to DER: every way of writing the same value comes out as its DER, and nothing else is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.wallets.apple.checking.ber import NotBer, der_of

Tree = bytes | list["Tree"]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.binary(max_size=200), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


def header(tag: int, length: int, spare: int) -> bytes:
    """Tag and length, the length written with `spare` octets too many; 0: as DER has it."""
    if not spare and length < 0x80:
        return bytes([tag, length])
    octets = length.to_bytes((length.bit_length() + 7) // 8 + spare, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets


def written(tree: Tree, draw: st.DataObject | None) -> bytes:
    """The tree: octet strings in sequences; in DER, or as it is drawn."""
    spare = draw.draw(st.integers(0, 3)) if draw else 0
    if isinstance(tree, bytes):
        if draw and draw.draw(st.booleans()):
            cut = draw.draw(st.integers(0, len(tree)))
            pieces = b"".join(header(0x04, len(part), 0) + part for part in (tree[:cut], tree[cut:]))
            return b"\x24\x80" + pieces + b"\0\0"
        return header(0x04, len(tree), spare) + tree
    body = b"".join(written(each, draw) for each in tree)
    if draw and draw.draw(st.booleans()):
        return b"\x30\x80" + body + b"\0\0"
    return header(0x30, len(body), spare) + body


@given(TREES, st.data())
def test_every_way_of_writing_gives_the_same_der(tree: Tree, data: st.DataObject) -> None:
    plain = written(tree, None)
    assert der_of(plain) == plain
    assert der_of(written(tree, data)) == plain


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        once = der_of(data)
    except NotBer:
        return
    assert der_of(once) == once


@pytest.mark.parametrize(
    "data",
    [b"", b"\x30", b"\x30\x80", b"\x30\x80\x04\x01x", b"\x04\x80x\0\0", b"\x04\x02x", b"\x04\x01xx", b"\x30\x80" * 60,
     b"\x24\x80\x02\x01\x01\0\0"],
)  # fmt: skip
def test_what_is_no_ber(data: bytes) -> None:
    with pytest.raises(NotBer):
        der_of(data)
