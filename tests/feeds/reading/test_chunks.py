"""Chunks: the bytes come through whole, each chunk ends a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from calib.feeds.reading.chunks import ByteSpan, Cutter, cut

BYTES = st.lists(
    st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"long line " * 3, b"\xef\xbb\xbf", b""]), max_size=30
).map(b"".join)


@given(BYTES, st.integers(1, 40), st.integers(1, 40))
def test_chunks_are_the_content_cut_at_line_ends(content: bytes, block: int, size: int) -> None:
    blocks = [content[at : at + block] for at in range(0, len(content), block)]
    chunks = list(cut(blocks, size))
    expected = content.removeprefix(b"\xef\xbb\xbf")
    assert b"".join(chunk.data for chunk in chunks) == expected
    offset = 0
    for chunk in chunks:
        span = chunk.span
        assert span.offset == offset
        assert chunk.data == content[span.offset : span.end].removeprefix(b"" if offset else b"\xef\xbb\xbf")
        assert not span.oversized
        assert span.unended == (not content[: span.end].endswith(b"\n"))
        assert not span.unended or b"\n" not in chunk.data
        offset = span.end
    assert offset == len(content)


@given(BYTES, st.integers(1, 9), st.integers(1, 9))
def test_memory_stays_bounded_by_size_block_and_limit(content: bytes, block: int, size: int) -> None:
    blocks = [content[at : at + block] for at in range(0, len(content), block)]
    chunks = list(cut(blocks, size, max_line=12))
    # What is held never exceeds a limit's worth, a chunk's worth and a block.
    assert all(len(chunk.data) <= 12 + size + 2 * block for chunk in chunks)
    # No newline is lost, nor is one invented.
    kept = sum(chunk.data.count(b"\n") for chunk in chunks if not chunk.span.oversized)
    ended = sum(chunk.span.oversized and not chunk.span.unended for chunk in chunks)
    assert kept + ended == content.count(b"\n")


@given(BYTES, st.integers(1, 9), st.integers(1, 40), st.integers(3, 60))
def test_where_a_content_is_cut_does_not_depend_on_who_holds_it(
    content: bytes, block: int, size: int, max_line: int
) -> None:
    blocks = [content[at : at + block] for at in range(0, len(content), block)]
    cutter, buffer = Cutter(size, max_line), bytearray(block)
    spans: list[ByteSpan] = []
    for piece in blocks:
        # As a reused buffer holds it: what is past the piece is left over from the one before.
        buffer[: len(piece)] = piece
        spans += cutter.add(buffer, len(piece))
    spans += cutter.finish()
    assert spans == [chunk.span for chunk in cut(blocks, size, max_line)]
    assert b"".join(content[span.offset : span.end] for span in spans) == content
    for chunk in cut(blocks, size, max_line):
        data = content[chunk.span.offset : chunk.span.end]
        whole = data.removeprefix(b"\xef\xbb\xbf") if chunk.span.offset == 0 else data
        assert whole.startswith(chunk.data) if chunk.span.oversized else chunk.data == whole
