"""Work shared among threads: all of it, once, and errors come back."""

import threading
from collections.abc import Iterator

import pytest
import torch

from xlgen.kernels import thread_pool


@pytest.fixture(params=["openmp", "a pool"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "a pool":
        monkeypatch.setattr(thread_pool, "_openmp", lambda: None)
    elif thread_pool._openmp() is None:
        pytest.skip("PyTorch's threads are not GCC's OpenMP here")
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 1000])
def test_every_row_is_done_once(shared: None, rows: int) -> None:
    done: list[int] = []
    parts: list[int] = []

    def work(first: int, last: int, part: int) -> None:
        done.extend(range(first, last))
        parts.append(part)

    thread_pool.share(rows, work)
    assert sorted(done) == list(range(rows))
    assert sorted(parts) == list(range(thread_pool.parts_of(rows)))


def test_threads_work_side_by_side(shared: None) -> None:
    barrier = threading.Barrier(3, timeout=20)
    thread_pool.share(3, lambda first, last, part: barrier.wait() and None)


def test_an_error_comes_back(shared: None) -> None:
    def work(first: int, last: int, part: int) -> None:
        if part == 1:
            raise ValueError("of the second part")

    with pytest.raises(ValueError, match="of the second part"):
        thread_pool.share(9, work)
    thread_pool.share(9, lambda first, last, part: None)
