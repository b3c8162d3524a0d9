"""threads.h and thread_pool.h: parts, barriers, callers at the same time, fork()."""

import ctypes
import os
import subprocess
import sys
import threading

import pytest
from c_kernels import TARGETS, X86, built, call, check_arm

DRIVER = """
#include "thread_pool.h"

static void count_part(void *context, long part, long parts)
{
    atomic_long *counts = context;
    atomic_fetch_add(&counts[part], parts);
}
/* How often each part ran, times parts. */
void fork_parts(long *counts, long parts) { parallel_for(count_part, counts, parts); }

/* Forks `times` times and returns how often a part was not run exactly once. */
long fork_often(long times, long most)
{
    long wrong = 0;
    for (long i = 0; i < times; i++) {
        long parts = 1 + i % most, counts[64] = {0};
        parallel_for(count_part, counts, parts);
        for (long part = 0; part < parts; part++) wrong += counts[part] != parts;
    }
    return wrong;
}

static void fork_inside(void *context, long part, long parts)
{
    (void)part, (void)parts;
    atomic_fetch_add((atomic_long *)context, fork_often(10, 5) == 0);
}
long nested(long parts)
{
    atomic_long right = 0;
    parallel_for(fork_inside, &right, parts);
    return right;
}

enum { ROUNDS = 200 };
typedef struct { atomic_long arrived[ROUNDS], early, members; } meeting;

static void meet(void *context, long part, long parts)
{
    meeting *m = context;
    if (part == 0) m->members = parts;
    for (int i = 0; i < ROUNDS; i++) {
        m->arrived[i]++;
        team_barrier(parts);
        m->early += m->arrived[i] != parts;
    }
}
/* The size of the team; negative if somebody passed a barrier early. */
long meet_at_barriers(void)
{
    meeting m = {0};
    parallel_team(meet, &m);
    return m.early ? -m.early : m.members;
}

static void meet_inside(void *context, long part, long parts)
{
    (void)part, (void)parts;
    atomic_fetch_add((atomic_long *)context, meet_at_barriers());
}
long team_inside_a_fork(long parts)
{
    atomic_long members = 0;
    parallel_for(meet_inside, &members, parts);
    return members;
}

void connect(void) { use_thread_pool(thread_pool_of_process()); }
void set_threads(long threads) { thread_pool_of_process()->set_threads((int)threads); }
int threads(void) { return pool_threads(); }
long row_begin(long rows, long step, long part, long parts)
{
    return rows_of_part(rows, step, part, parts).begin;
}
long row_end(long rows, long step, long part, long parts)
{
    return rows_of_part(rows, step, part, parts).end;
}
"""
PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the pool is of POSIX threads")


@pytest.fixture(scope="module", params=[t for t in TARGETS if t != "haswell"])
def library(request):
    library = built(DRIVER, request.param)
    call(library.connect)
    return library


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("parts", [0, 1, 2, 7, 1000, 70_000])
def test_every_part_runs_once(library, threads, parts):
    call(library.set_threads, threads)
    counts = (ctypes.c_long * parts)()
    library.fork_parts(counts, ctypes.c_long(parts))
    assert list(counts) == [parts] * parts


def fork_often(library, times=2000, most=17):
    return call(library.fork_often, times, most, result=ctypes.c_long)


def test_fork_after_fork(library):
    call(library.set_threads, 3)
    assert fork_often(library, 20_000) == 0


def test_callers_at_the_same_time_share_no_parts(library):
    call(library.set_threads, 3)
    wrong = []
    callers = [threading.Thread(target=lambda: wrong.append(fork_often(library))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == [0] * 4


def test_a_task_may_fork(library):
    call(library.set_threads, 3)
    assert call(library.nested, 8, result=ctypes.c_long) == 8


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_team_meets_at_barriers(library, threads):
    call(library.set_threads, threads)
    for _ in range(5):
        assert call(library.meet_at_barriers, result=ctypes.c_long) == threads


def test_a_team_inside_a_fork_is_its_caller_alone(library):
    call(library.set_threads, 2)
    assert call(library.team_inside_a_fork, 6, result=ctypes.c_long) == 6


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_of_fork_starts_its_own_workers(library):
    call(library.set_threads, 3)
    assert fork_often(library) == 0
    child = os.fork()
    if child == 0:
        right = fork_often(library) == 0
        right &= call(library.meet_at_barriers, result=ctypes.c_long) == 3
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fork_often(library) == 0


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({"ANDON_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5,2"}, 5),
        ({"ANDON_NUM_THREADS": "none"}, PROCESSORS),
        ({}, PROCESSORS),
    ],
)
def test_the_number_of_threads_at_the_start(library, variables, threads):
    program = f"import ctypes; c = ctypes.CDLL({library._name!r}); c.connect(); print(c.threads())"
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == threads


def test_without_a_pool_the_caller_does_it_all(library):
    program = f"import ctypes; c = ctypes.CDLL({library._name!r}); print(c.fork_often(99, 9))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert run.stdout.strip() == b"0"


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
@pytest.mark.parametrize(("rows", "step"), [(0, 8), (1, 8), (64, 8), (100, 6), (5, 1)])
def test_row_ranges_cover_all_rows_in_whole_steps(library, rows, step, parts):
    ends = [
        [call(f, rows, step, part, parts, result=ctypes.c_long) for part in range(parts)]
        for f in (library.row_begin, library.row_end)
    ]
    assert ends[0] == [0, *ends[1][:-1]] and ends[1][-1] == rows
    assert all(begin % step == 0 or begin == rows for begin in ends[0])


@pytest.mark.skipif(not X86, reason="one other machine is enough")
def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
