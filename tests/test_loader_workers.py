"""DataLoader with real worker processes: order, failures, and that none outlives its use."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import ml_dtypes
import numpy as np
import pytest

import andon
from andon import data
from andon.core.errors import DataError


class Mapped(data.Dataset):
    """Example i is function(i)."""

    def __init__(self, n, function=lambda i: i):
        self.n, self.function = n, function

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.function(i)


class Numbers:
    """A dataset that spawned processes can unpickle."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return np.full(30_000, i)


class Sharded(data.IterableDataset):
    """0 … n - 1, every worker taking its share."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(info.id, self.n, info.num_workers))


def loader(dataset, num_workers=2, **options):
    options.setdefault("collate_fn", list)
    return data.DataLoader(dataset, num_workers=num_workers, **options)


def process_id(i):
    return os.getpid()


def running(pid):
    """Whether a process lives; one that has ended but was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def all_end(pids, seconds=6.0):
    deadline = time.monotonic() + seconds
    while any(map(running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(running, pids))


def worker_ids(batches):
    return [process.pid for process in batches.pool.processes]


# ---- what arrives


def test_batches_come_from_other_processes_in_order():
    slow_first = Mapped(12, lambda i: (time.sleep(0.05 * (i == 0)), i, os.getpid())[1:])
    batches = list(loader(slow_first, batch_size=2, num_workers=3))
    assert [[i for i, _ in batch] for batch in batches] == [[i, i + 1] for i in range(0, 12, 2)]
    pids = {pid for batch in batches for _, pid in batch}
    assert len(pids) == 3 and os.getpid() not in pids


def test_workers_give_what_the_main_process_gives():
    dataset = data.TensorDataset(andon.arange(20).reshape(10, 2), andon.arange(10))
    for options in ({}, {"batch_size": 3}, {"batch_size": 4, "drop_last": True}):
        here, there = (data.DataLoader(dataset, num_workers=n, **options) for n in (0, 2))
        expected = [[part.tolist() for part in batch] for batch in here]
        assert [[part.tolist() for part in batch] for batch in there] == expected


def test_the_shuffled_order_does_not_depend_on_the_number_of_workers():
    def order(num_workers):
        andon.manual_seed(5)
        shuffled = loader(Mapped(9), num_workers, shuffle=True)
        return [list(shuffled), list(shuffled)]

    assert order(0) == order(2)


def test_out_of_order_what_is_ready_comes_first():
    slow = Mapped(6, lambda i: (time.sleep(0.3 * (i == 0)), i)[1])
    found = [i for (i,) in loader(slow, in_order=False)]
    assert sorted(found) == list(range(6)) and found[0] != 0


def test_an_empty_dataset_has_no_batches():
    assert list(loader([])) == []


@pytest.mark.parametrize(
    "array",
    [
        np.arange(3_000_000.0).reshape(1000, 3000),
        np.arange(60_000).reshape(200, 300).T,
        np.arange(100_000)[::2],
        np.zeros((0, 3)),
        np.array(1.5),
        np.arange(20_000).astype(ml_dtypes.bfloat16),
        np.broadcast_to(np.float32(1), (100, 400)),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_arrays_arrive_whole_and_writable(array):
    sent = [array, andon.as_tensor(array), "text"]
    received, tensor, text = next(iter(loader([sent], 1, batch_size=None, collate_fn=lambda x: x)))
    assert text == "text" and received.dtype == array.dtype
    np.testing.assert_array_equal(received, array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    received[...] = 0
    tensor.zero_()


def test_a_buffer_that_the_dataset_writes_again_is_not_seen_changing():
    buffer = np.zeros(50_000)

    def fill(i):
        buffer[:] = i
        return buffer

    found = loader(Mapped(6, fill), 1, batch_size=None, prefetch_factor=4, collate_fn=lambda x: x)
    assert [set(array.tolist()) for array in found] == [{i} for i in range(6)]


# ---- streams


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_a_stream_is_shared_through_worker_info(num_workers):
    batches = list(loader(Sharded(11), num_workers, batch_size=2))
    assert sorted(i for batch in batches for i in batch) == list(range(11))
    assert list(loader(Sharded(11), num_workers, batch_size=2)) == batches


def test_the_order_of_uneven_streams_does_not_depend_on_who_is_slow():
    class Uneven(data.IterableDataset):
        def __init__(self, slow):
            self.slow = slow

        def __iter__(self):
            worker = data.get_worker_info().id
            for i in range(1 + 3 * worker):
                time.sleep(0.03 * (worker == self.slow))
                yield worker, i

    expected = [(worker, i) for i in range(7) for worker in range(3) if i < 1 + 3 * worker]
    for slow in range(3):
        assert [x for (x,) in loader(Uneven(slow), 3)] == expected


def test_each_worker_drops_its_own_last_batch():
    batches = list(loader(Sharded(11), 2, batch_size=4, drop_last=True))
    assert batches == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_worker_info_describes_the_worker():
    def about(i):
        info = data.get_worker_info()
        return info.id, info.num_workers, len(info.dataset)

    assert list(loader(Mapped(2, about))) == [[(0, 2, 2)], [(1, 2, 2)]]


# ---- random numbers


def random_numbers(i):
    return andon.rand(1).item(), random.random(), float(np.random.rand())


def test_workers_draw_different_numbers_and_the_same_in_each_run():
    def numbers():
        generator = andon.Generator().manual_seed(1)
        found = [x for (x,) in loader(Mapped(4, random_numbers), generator=generator)]
        return [list(column) for column in zip(*found, strict=True)]

    first = numbers()
    assert first == numbers()
    assert all(len(set(column)) == 4 for column in first)


def test_a_workers_seed_is_the_base_seed_plus_its_number():
    seeds = [x for (x,) in loader(Mapped(2, lambda i: data.get_worker_info().seed))]
    assert seeds[1] == seeds[0] + 1


def test_the_set_up_function_runs_in_each_worker_before_its_first_example():
    def set_up(worker):
        data.get_worker_info().dataset.function = lambda i: (worker, i)

    found = list(loader(Mapped(3), worker_init_fn=set_up))
    assert found == [[(0, 0)], [(1, 1)], [(0, 2)]]


# ---- failures


class Awkward(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def failing(error):
    def exactly_here(i):
        if i == 1:
            raise error
        return i

    return Mapped(4, exactly_here)


def test_an_exception_keeps_its_class_and_brings_the_workers_traceback():
    batches = iter(loader(failing(KeyError("missing"))))
    assert next(batches) == [0]
    with pytest.raises(KeyError) as caught:
        next(batches)
    assert caught.value.args == ("missing",)
    (note,) = caught.value.__notes__
    assert "worker 1" in note and "exactly_here" in note and "KeyError: 'missing'" in note
    assert list(batches) == [[2], [3]]


@pytest.mark.parametrize(
    ("error", "message"),
    [(Awkward(1, 2), "worker 1 failed: .*Awkward: 1 and 2"), (StopIteration(), "StopIteration")],
)
def test_an_exception_that_cannot_travel_becomes_a_data_error(error, message):
    with pytest.raises(DataError, match=message):
        list(loader(failing(error)))


def test_a_batch_that_cannot_be_pickled_is_a_failure_like_others():
    batches = iter(loader(Mapped(2, lambda i: (lambda: i) if i == 0 else i)))
    with pytest.raises((AttributeError, TypeError, DataError), match="pickle"):
        next(batches)
    assert next(batches) == [1]


def test_a_set_up_function_that_fails_is_reported():
    def set_up(worker):
        raise ValueError(f"no worker {worker}")

    with pytest.raises(ValueError, match="no worker 0"):
        list(loader(Mapped(2), worker_init_fn=set_up))


def test_a_sampler_that_fails_is_reported_and_leaves_no_worker():
    def indices():
        yield from range(9)
        raise LookupError("no more")

    batches = iter(loader(Mapped(99), sampler=indices()))
    pids = worker_ids(batches)
    with pytest.raises(LookupError, match="no more"):
        list(batches)
    del batches
    assert all_end(pids)


def test_a_killed_worker_is_noticed():
    batches = iter(loader(Mapped(4, lambda i: time.sleep(60))))
    pids = worker_ids(batches)
    os.kill(pids[1], signal.SIGKILL)
    with pytest.raises(DataError, match=rf"worker 1 \(pid {pids[1]}\) died: exit code -9, SIGKILL"):
        next(batches)
    assert all_end(pids)
    with pytest.raises(DataError, match="stopped"):
        next(batches)


def test_a_worker_killed_within_a_message_is_noticed():
    def kill(i):
        array = np.zeros(10_000_000)  # far more than a socket holds while nobody reads
        timer = f"sleep 0.2; kill -9 {os.getpid()}"
        subprocess.Popen(["sh", "-c", timer], start_new_session=True)
        return array

    batches = iter(loader(Mapped(1, kill), 1))
    time.sleep(0.6)
    with pytest.raises(DataError, match="exit code -9"):
        next(batches)


def test_a_worker_that_exits_is_named_with_its_code():
    with pytest.raises(DataError, match=r"worker 0 .* exit code 3"):
        list(loader(Mapped(2, lambda i: sys.exit(3) if i == 0 else time.sleep(60))))


def test_waiting_ends_with_the_timeout():
    batches = iter(loader(Mapped(2, lambda i: time.sleep(60)), timeout=0.2))
    with pytest.raises(DataError, match=r"0\.2 seconds"):
        next(batches)


# ---- the end of workers


def test_prefetching_is_bounded():
    taken = []

    def indices():
        for i in range(100):
            taken.append(i)
            yield i

    batches = iter(loader(Mapped(100), sampler=indices(), prefetch_factor=3))
    assert len(taken) == 6
    next(batches)
    assert len(taken) == 7
    next(batches)
    assert len(taken) == 8


def generated(batches):
    yield from batches


ENDINGS = {
    "reading to the end": list,
    "dropping the iterator": lambda batches: next(batches),
    "closing the iterator": lambda batches: batches.close(),
    "closing a generator around it": lambda batches: [
        (next(g), g.close()) for g in [generated(batches)]
    ],
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_workers_end_with_the_iteration(ending):
    batches = iter(loader(Mapped(20)))
    pids = worker_ids(batches)
    assert all(map(running, pids))
    ENDINGS[ending](batches)
    del batches
    assert not any(map(running, pids))


def test_breaking_off_ends_workers_that_are_busy_or_blocked():
    def busy_or_large(i):
        if i % 2:
            time.sleep(60)
        return np.zeros(10_000_000)

    batches = iter(loader(Mapped(8, busy_or_large)))
    pids = worker_ids(batches)
    next(batches)
    del batches
    assert all_end(pids)


def test_persistent_workers_serve_every_epoch():
    persistent = loader(Mapped(6, process_id), persistent_workers=True)
    epochs = [{pid for (pid,) in persistent} for _ in range(3)]
    assert epochs[0] == epochs[1] == epochs[2] and len(epochs[0]) == 2
    assert all(map(running, epochs[0]))
    del persistent
    assert not any(map(running, epochs[0]))


def test_an_epoch_is_whole_after_one_that_was_broken_off():
    persistent = loader(Sharded(12), persistent_workers=True)
    for _ in persistent:
        break
    older = iter(persistent)
    assert sorted(i for (i,) in persistent) == list(range(12))
    with pytest.raises(DataError, match="later iteration"):
        next(older)


def test_persistent_workers_are_replaced_after_a_death():
    persistent = loader(Mapped(4, process_id), persistent_workers=True)
    batches = iter(persistent)
    os.kill(worker_ids(batches)[0], signal.SIGKILL)
    with pytest.raises(DataError, match="exit code -9"):
        while True:
            list(batches)
            batches = iter(persistent)
    assert len(list(persistent)) == 4


def test_two_loaders_do_not_keep_each_others_workers_alive():
    first, second = iter(loader(Mapped(9))), iter(loader(Mapped(9)))
    pids = worker_ids(first)
    first.close()
    assert not any(map(running, pids))
    assert list(second) == [[i] for i in range(9)]


SCRIPT = """
import os, signal, sys, time
from andon import data

class Pids(data.Dataset):
    def __len__(self):
        return 1000
    def __getitem__(self, i):
        if i > 4:
            time.sleep({seconds})
        return os.getpid()

batches = iter(data.DataLoader(Pids(), num_workers=2, collate_fn=list))
print(next(batches)[0], next(batches)[0], flush=True)
try:
    {then}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def script(then, seconds=0):
    code = textwrap.dedent(SCRIPT).format(then=then, seconds=seconds)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def pids_of(process):
    return [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("seconds", [0, 60], ids=["idle", "busy"])
def test_workers_end_when_their_parent_is_killed(seconds):
    with script("time.sleep(60)", seconds) as process:
        pids = pids_of(process)
        assert len(pids) == 2 and all(map(running, pids))
        process.kill()
    assert all_end(pids)


@pytest.mark.parametrize(
    ("then", "code"), [("sys.exit(5)", 5), ("os._exit(6)", 6), ("raise OSError", 1)]
)
def test_workers_end_when_their_parent_exits(then, code):
    with script(then) as process:
        pids = pids_of(process)
        assert process.wait(20) == code
    assert len(pids) == 2 and all_end(pids)


def test_ctrl_c_ends_everything_without_noise():
    with script("list(batches)", seconds=60) as process:
        pids = pids_of(process)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout.read() == "interrupted\n"
        assert process.stderr.read() == ""
    assert len(pids) == 2 and all_end(pids)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_start_afresh_do_as_well(method):
    batches = loader(Numbers(), 1, batch_size=2, multiprocessing_context=method)
    assert [[set(x.tolist()) for x in batch] for batch in batches] == [[{0}, {1}], [{2}, {3}]]


def test_what_cannot_be_pickled_for_a_process_that_starts_afresh_is_told():
    batches = loader(Mapped(4, lambda i: i), multiprocessing_context="spawn")
    with pytest.raises(
        DataError, match="must be picklable where they are not forked: Can't pickle"
    ):
        next(iter(batches))
