"""Parallel work in processes and in threads."""

import itertools
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from bert4keras.data import parallel_apply, parallel_apply_generator

# JAX and Python 3.12 warn of every fork while threads run
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork"),
    pytest.mark.skipif(os.name == "nt", reason="the functions of these tests are forked"),
]

both_ways = pytest.mark.parametrize("dummy", [True, False], ids=["threads", "processes"])


def square(number):
    return number**2


def fails_at_three(number):
    if number == 3:
        raise KeyError(f"no {number}")
    return number


class Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__(first + second)


@both_ways
def test_parallel_apply_keeps_the_order_on_request(dummy):
    numbers = range(9)
    results = parallel_apply(square, numbers, 2, 10, dummy=dummy, unordered=False)
    assert results == [0, 1, 4, 9, 16, 25, 36, 49, 64]


@both_ways
def test_parallel_apply_generator_yields_index_and_result(dummy):
    pairs = parallel_apply_generator(lambda text: text * 2, "abcd", 2, 1, dummy=dummy)
    assert sorted(pairs) == [(0, "aa"), (1, "bb"), (2, "cc"), (3, "dd")]


def test_parallel_apply_uses_processes_unless_dummy():
    processes = set(parallel_apply(lambda _: os.getpid(), range(8), 2, 2))
    assert os.getpid() not in processes
    assert set(parallel_apply(lambda _: os.getpid(), range(4), 2, 2, dummy=True)) == {os.getpid()}


@pytest.mark.slow  # a spawned process imports the library anew
def test_parallel_apply_can_spawn_a_function_of_a_module():
    results = parallel_apply(os.path.basename, ["a/b", "c"], 1, 2, start_method="spawn")
    assert sorted(results) == ["b", "c"]


@both_ways
def test_parallel_apply_passes_results_to_a_callback(dummy):
    results = []
    assert parallel_apply(square, range(4), 2, 2, results.append, dummy, unordered=False) is None
    assert results == [0, 1, 4, 9]


def test_parallel_apply_in_order_waits_for_a_slow_item():
    def slow_first(number):
        time.sleep(0.2 if number == 0 else 0)
        return number

    results = parallel_apply(slow_first, range(6), 3, 6, dummy=True, unordered=False)
    assert results == [0, 1, 2, 3, 4, 5]


@both_ways
def test_parallel_apply_raises_an_error_of_the_function(dummy):
    with pytest.raises(KeyError, match="no 3"):
        parallel_apply(fails_at_three, range(9), 2, 2, dummy=dummy)


def test_parallel_apply_notes_where_an_error_was_raised():
    with pytest.raises(KeyError) as caught:
        parallel_apply(fails_at_three, [3], 1, 2)
    assert "In the worker process" in caught.value.__notes__[0]
    assert "in fails_at_three" in caught.value.__notes__[0]


def test_parallel_apply_describes_an_error_that_cannot_be_pickled():
    def fail(_):
        raise Unpicklable("a", "b")

    with pytest.raises(RuntimeError, match="Unpicklable: ab"):
        parallel_apply(fail, [1], 1, 2)


def test_parallel_apply_refuses_a_result_that_cannot_be_pickled():
    with pytest.raises(Exception, match="pickle"):
        parallel_apply(lambda _: threading.Lock(), [1], 1, 2)


def test_parallel_apply_raises_if_a_worker_dies():
    with pytest.raises(RuntimeError, match="got one that died with exit code 5"):
        parallel_apply(lambda _: os._exit(5), range(3), 2, 2)


def test_random_seeds_differ_between_processes_and_repeat_with_a_seed():
    def draw(_):
        time.sleep(0.1)  # so that both processes get work
        return os.getpid(), np.random.random()

    draws = []
    for _ in range(2):
        np.random.seed(1)
        first_of_each = dict(reversed(parallel_apply(draw, range(4), 2, 4, unordered=False)))
        draws.append(set(first_of_each.values()))
    assert len(draws[0]) == 2
    assert draws[0] == draws[1]


def test_random_seeds_false_leaves_the_state_of_the_parent():
    np.random.seed(1)
    draws = parallel_apply(lambda _: np.random.random(), [0], 1, 2, random_seeds=False)
    assert draws == [np.random.random()]


@both_ways
def test_max_queue_size_limits_the_items_read_ahead(dummy):
    requests = []
    items = (requests.append(number) or number for number in itertools.count())
    pairs = parallel_apply_generator(square, items, 2, 3, dummy=dummy)
    for _ in range(10):
        next(pairs)
    assert len(requests) <= 10 + 2 + 3
    pairs.close()


def test_parallel_apply_generator_ends_its_processes_when_deleted():
    pairs = parallel_apply_generator(square, itertools.count(), 2, 3)
    next(pairs)
    assert len(multiprocessing.active_children()) == 2
    del pairs
    assert multiprocessing.active_children() == []


def test_parallel_apply_generator_drops_waiting_items_when_closed():
    calls = []

    def slow(number):
        calls.append(number)
        time.sleep(0.05)

    pairs = parallel_apply_generator(slow, range(40), 1, 40, dummy=True)
    next(pairs)
    pairs.close()
    time.sleep(0.3)
    assert len(calls) < 5


def test_parallel_apply_ends_its_processes_if_a_callback_fails():
    def refuse(_):
        raise KeyError

    with pytest.raises(KeyError) as caught:
        parallel_apply(square, range(4), 2, 2, refuse)
    assert multiprocessing.active_children() == [], caught


@pytest.mark.parametrize("arguments", [(5, [], 1, 1), (square, [], 0, 1), (square, [], 1, -1)])
def test_parallel_apply_checks_its_arguments(arguments):
    with pytest.raises((TypeError, ValueError), match="Expected (func|workers|max_queue_size) to"):
        parallel_apply(*arguments)
