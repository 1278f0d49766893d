"""One function over many items, in several processes or threads."""

import contextlib
import multiprocessing
import pickle
import queue
import random
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def parallel_apply_generator(
    func, iterable, workers, max_queue_size, dummy=False, random_seeds=True, start_method=None
):
    """Call `func` on every item in parallel; results come as soon as they are there.

    Args:
        func: Function of one item. Results travel by pickle, as do errors.
        iterable: Items, taken as they are needed; they travel by pickle.
        workers: Number of processes, or of threads.
        max_queue_size: Items in hand beyond those being worked on, before the iterable must wait.
        dummy: Threads in place of processes.
        random_seeds: Seed `random` and `numpy.random` of each process: True draws the seeds from
            NumPy's global state, a list gives one for each, False leaves all processes alike.
        start_method: "fork", "spawn" or "forkserver". Default: "fork" where the system has it,
            because lambdas and scripts without a main guard need it. The others want a function
            that can be pickled, and are the safe choice beside threads that hold locks.

    Returns:
        A generator of `(index, result)`, in any order. Closing it ends the processes.

    Raises:
        Exception: what `func` raised, noting where; no item is lost silently.
        RuntimeError: when a process died, for example for want of memory.

    Example:
        >>> sorted(parallel_apply_generator(abs, [-3, 5], workers=2, max_queue_size=4, dummy=True))
        [(0, 3), (1, 5)]
    """
    processes = [] if dummy else _start(func, workers, random_seeds, start_method)
    free = queue.SimpleQueue()
    for process in [func] * workers if dummy else processes:
        free.put(process)
    threads = ThreadPoolExecutor(workers)
    done = queue.SimpleQueue()
    in_hand = 0
    try:
        for index, item in enumerate(iterable):
            threads.submit(_borrow, free, index, item).add_done_callback(done.put)
            in_hand += 1
            while in_hand >= workers + max_queue_size or not done.empty():
                yield done.get().result()
                in_hand -= 1
        for _ in range(in_hand):
            yield done.get().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.stop()


def parallel_apply(
    func,
    iterable,
    workers,
    max_queue_size,
    callback=None,
    dummy=False,
    random_seeds=True,
    unordered=True,
    start_method=None,
):
    """Call `func` on every item in parallel and gather the results.

    Args:
        func, iterable, workers, max_queue_size, dummy, random_seeds, start_method: As for
            `parallel_apply_generator`.
        callback: Function given each result in place of gathering them.
        unordered: False keeps the order of the items.

    Returns:
        List of results, or None with a `callback`.

    Example:
        >>> parallel_apply(len, ["a", "bc"], 2, 10, dummy=True, unordered=False)
        [1, 2]
    """
    pairs = parallel_apply_generator(
        func, iterable, workers, max_queue_size, dummy, random_seeds, start_method
    )
    with contextlib.closing(pairs):
        results = (result for _, result in pairs) if unordered else in_order(pairs)
        if callback is None:
            return list(results)
        for result in results:
            callback(result)


def in_order(pairs):
    """The results of pairs (index, result), by rising index."""
    early, turn = {}, 0
    for index, result in pairs:
        early[index] = result
        while turn in early:
            yield early.pop(turn)
            turn += 1


def _borrow(free, index, item):
    worker = free.get()
    try:
        return index, worker(item)
    finally:
        free.put(worker)


class _Process:
    """A function that runs in a process of its own."""

    def __init__(self, context, func, seed):
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, func, seed), daemon=True)
        self.process.start()
        theirs.close()  # so that a process that dies is heard of as the end of its answers

    def __call__(self, item):
        try:
            self.connection.send(item)
            succeeded, answer = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise RuntimeError(
                f"a worker process died with exit code {self.process.exitcode} (-9: killed, often "
                "for want of memory); use fewer workers, or see what it wrote to stderr"
            ) from None
        if succeeded:
            return answer
        raise answer

    def stop(self):
        self.process.terminate()
        self.process.join()


def _start(func, workers, random_seeds, start_method):
    if start_method is None and sys.platform == "linux":
        start_method = "fork"
    context = multiprocessing.get_context(start_method)
    seeds = random_seeds or [None] * workers
    if random_seeds is True:
        seeds = np.random.randint(2**32, size=workers, dtype="uint32").tolist()
    return [_Process(context, func, seeds[number]) for number in range(workers)]


def _serve(connection, func, seed):
    """The life of a worker process: items in, `(succeeded, answer)` out."""
    if seed is not None:
        random.seed(seed)
        np.random.seed(seed)
    with contextlib.suppress(EOFError):
        while True:
            connection.send_bytes(_answer(func, connection.recv()))


def _answer(func, item):
    try:
        return pickle.dumps((True, func(item)))
    except Exception as error:
        note = "In the worker process:\n" + traceback.format_exc()
        if not _travels(error):
            error = RuntimeError(f"{type(error).__name__}: {error}")
        error.add_note(note)
        return pickle.dumps((False, error))


def _travels(error):
    """Whether an error survives pickling; some classes only fail when they are read again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
