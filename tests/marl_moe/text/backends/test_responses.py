"""The text of a server on one line for a terminal, without a piece of the key."""

from hypothesis import given
from hypothesis import strategies as st

from marl_moe.text.backends.responses import redacted


@given(
    st.text(max_size=400),
    st.text("!#$%&()+-./0123456789:=?@ABCXYZ_abcxyz~", min_size=1, max_size=60),
    st.data(),
)
def test_no_piece_of_a_key_survives_wherever_it_stands(
    text: str, key: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(text)))
    line = redacted(text[:place] + key + text[place:], key)
    length = min(8, len(key))
    assert all(
        key[i : i + length] not in line.replace("[redacted]", " ")
        for i in range(len(key) - length + 1)
    )
    assert len(line.splitlines()) <= 1
