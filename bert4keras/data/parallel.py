"""Parallel work: one function over many items, in several processes or threads."""

import contextlib
import multiprocessing
import pickle
import queue
import random
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Literal

import numpy as np

from bert4keras.checks import check_callable, check_integer

__all__ = ["parallel_apply", "parallel_apply_generator"]


def parallel_apply_generator(
    func: Callable[[Any], Any],
    iterable: Iterable[Any],
    workers: int,
    max_queue_size: int,
    dummy: bool = False,
    random_seeds: bool | Sequence[int] = True,
    start_method: Literal["fork", "spawn", "forkserver"] | None = None,
) -> Generator[tuple[int, Any], None, None]:
    """Apply ``func`` to every item in parallel; yield each result as soon as it is ready.

    Args:
        func: function of one item. Results and errors are pickled.
        iterable: items, read as needed and pickled.
        workers: number of processes, or of threads.
        max_queue_size: number of items that wait for a worker before the iterable must wait.
        dummy: True uses threads in place of processes.
        random_seeds: seeds for ``random`` and ``numpy.random`` of each process: True draws the
            seeds from NumPy's global state, a list has one for each, False sets none.
        start_method: "fork", "spawn" or "forkserver". Default: "fork" where the system has it,
            because lambdas and scripts without a main guard need it. The others need a function
            that can be pickled, and are the safe choice if threads hold locks.

    Returns:
        A generator of ``(index, result)``, in any order. Closing it ends the processes.

    Raises:
        Exception: any error of ``func``, with a note that says where; no item is lost silently.
        RuntimeError: a process died, for example because memory ran out.

    Example:
        >>> sorted(parallel_apply_generator(abs, [-3, 5], workers=2, max_queue_size=4, dummy=True))
        [(0, 3), (1, 5)]
    """
    check_callable("func", func)
    check_integer("workers", workers, minimum=1)
    check_integer("max_queue_size", max_queue_size, minimum=0)
    processes = [] if dummy else _start(func, workers, random_seeds, start_method)
    idle_workers = queue.SimpleQueue()
    for worker in [func] * workers if dummy else processes:
        idle_workers.put(worker)
    threads = ThreadPoolExecutor(workers)
    futures = queue.SimpleQueue()
    pending = 0
    try:
        for index, item in enumerate(iterable):
            threads.submit(_call_worker, idle_workers, index, item).add_done_callback(futures.put)
            pending += 1
            while pending >= workers + max_queue_size or not futures.empty():
                yield futures.get().result()
                pending -= 1
        for _ in range(pending):
            yield futures.get().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.stop()


def parallel_apply(
    func: Callable[[Any], Any],
    iterable: Iterable[Any],
    workers: int,
    max_queue_size: int,
    callback: Callable[[Any], Any] | None = None,
    dummy: bool = False,
    random_seeds: bool | Sequence[int] = True,
    unordered: bool = True,
    start_method: Literal["fork", "spawn", "forkserver"] | None = None,
) -> list[Any] | None:
    """Apply ``func`` to every item in parallel and return the results.

    Args:
        func, iterable, workers, max_queue_size, dummy, random_seeds, start_method: as for
            ``parallel_apply_generator``.
        callback: function that is called with each result; no list is returned then.
        unordered: False keeps the order of the items.

    Returns:
        List of results, or None with a ``callback``.

    Example:
        >>> parallel_apply(len, ["a", "bc"], 2, 10, dummy=True, unordered=False)
        [1, 2]
    """
    pairs = parallel_apply_generator(
        func, iterable, workers, max_queue_size, dummy, random_seeds, start_method
    )
    with contextlib.closing(pairs):
        results = (result for _, result in pairs) if unordered else restore_order(pairs)
        if callback is None:
            return list(results)
        for result in results:
            callback(result)


def restore_order(pairs: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    """Yield the results of pairs (index, result) in the order of the index."""
    waiting, next_index = {}, 0
    for index, result in pairs:
        waiting[index] = result
        while next_index in waiting:
            yield waiting.pop(next_index)
            next_index += 1


def _call_worker(idle_workers: queue.SimpleQueue, index: int, item: Any) -> tuple[int, Any]:
    worker = idle_workers.get()
    try:
        return index, worker(item)
    finally:
        idle_workers.put(worker)


class _Process:
    """Function that runs in a separate process."""

    def __init__(self, context: Any, func: Callable[[Any], Any], seed: int | None) -> None:
        self.connection, child_connection = context.Pipe()
        arguments = (child_connection, func, seed)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        child_connection.close()  # then the death of the process is an EOFError here

    def __call__(self, item: Any) -> Any:
        try:
            self.connection.send(item)
            is_success, answer = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise RuntimeError(
                "Expected a worker process to stay alive, got one that died with exit code "
                f"{self.process.exitcode} (-9: killed, often because memory ran out). Use fewer "
                "workers, or read its output on stderr."
            ) from None
        if is_success:
            return answer
        raise answer

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()


def _start(func, workers, random_seeds, start_method):
    if start_method is None and sys.platform == "linux":
        start_method = "fork"
    context = multiprocessing.get_context(start_method)
    if random_seeds is True:
        seeds = np.random.randint(2**32, size=workers, dtype="uint32").tolist()
    else:
        seeds = random_seeds or [None] * workers
    return [_Process(context, func, seeds[number]) for number in range(workers)]


def _serve(connection: Connection, func: Callable[[Any], Any], seed: int | None) -> None:
    """Run a worker process: receive items, send ``(is_success, answer)``."""
    if seed is not None:
        random.seed(seed)
        np.random.seed(seed)
    with contextlib.suppress(EOFError):
        while True:
            connection.send_bytes(_answer(func, connection.recv()))


def _answer(func: Callable[[Any], Any], item: Any) -> bytes:
    try:
        return pickle.dumps((True, func(item)))
    except Exception as error:
        note = "In the worker process:\n" + traceback.format_exc()
        if not _is_picklable(error):
            error = RuntimeError(f"{type(error).__name__}: {error}")
        error.add_note(note)
        return pickle.dumps((False, error))


def _is_picklable(error: Exception) -> bool:
    """True if an error survives pickling; some classes fail only when they are loaded."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
