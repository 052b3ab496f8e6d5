"""A backbone of letters: pieces are code points, everything special is a number above them."""

from collections.abc import Sequence

import pytest

from xlgen.data.examples import EncodedExample

SENTINEL, MASK, END = 2_000_000, 3_000_000, 4_000_000


class Letters:
    """A codec whose ids can be read: ``[language] X </s>``, with one number a language."""

    def tokenize(self, text: str) -> list[int]:
        return [ord(char) for char in text]

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        return (self.code(language), *ids, END)

    target = source

    def sentinels(self, count: int) -> list[int]:
        return [SENTINEL + index for index in range(count)]

    def mask(self) -> int:
        return MASK

    @staticmethod
    def code(language: str) -> int:
        return 5_000_000 + ord(language[0]) * 1000 + ord(language[1])

    def text(self, ids: Sequence[int]) -> str:
        """Ids as text; sentinels and masks as ``_``."""
        return "".join(chr(i) if i < SENTINEL else "_" for i in ids)

    def inside(self, example: EncodedExample) -> tuple[list[int], list[int]]:
        """Source and target without what the codec put around them."""
        return list(example.source[1:-1]), list(example.target[1:-1])


@pytest.fixture(scope="session")
def letters() -> Letters:
    return Letters()
