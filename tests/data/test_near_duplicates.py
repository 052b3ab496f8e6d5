"""Near-duplicates are those of comparing every pair, and the search for them is exact."""

from hypothesis import given, settings
from hypothesis import strategies as st

from xlgen.data.near_duplicates import THRESHOLD, _shingles, near_duplicates

LONG = (
    "The package holds the files that are needed to build programs with the library, and its manual pages. It is of no"
    " use to those who only run programs that others have built, for which the library alone is enough."
)
THAI = "นายกเทศมนตรีเปิดห้องสมุดแห่งใหม่ของเมืองเมื่อวันจันทร์และเด็ก ๆ มีความสุขมาก"
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=1, max_size=14).map(" ".join)


def test_small_changes_make_near_duplicates() -> None:
    others = [LONG, THAI, "市长星期一开放了新的图书馆，孩子们都很高兴，大家都来看书。"]
    changed = [LONG.replace("manual", "info"), LONG.upper(), THAI + "ครับ", others[2].replace("，", " ")]
    assert near_duplicates(changed, others) == [0, 1, 2, 3]
    assert near_duplicates(["Another package, with other files.", "เด็ก ๆ ไปโรงเรียน", "", "..."], others) == []


def test_numbers_do_not_tell_texts_apart() -> None:
    text = "libfoo{} libbar{} libbaz{} libqux{} for programs of version {} and later"
    assert near_duplicates([text.format(1, 1, 1, 1, 2.0)], [text.format(2, 2, 2, 2, 3.1)]) == [0]
    assert near_duplicates(["a1 b1 c1 d1 e1 f1"], ["a1 b1 c1 x1 y1 z1"]) == []


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=8))
@settings(deadline=None)
def test_equal_to_comparing_every_pair(texts: list[str], others: list[str]) -> None:
    def alike(one: str, other: str) -> bool:
        first, second = _shingles(one), _shingles(other)
        return bool(first) and len(first & second) >= THRESHOLD * len(first | second)

    every = [place for place, text in enumerate(texts) if any(alike(text, other) for other in others)]
    assert near_duplicates(texts, others) == every
