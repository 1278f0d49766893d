"""Files of synthetic data, written once into ``output/data``."""

import hashlib
import json
from pathlib import Path

from settings import is_smoke

from bert4keras.data import atomic_write

FOLDER = Path("output/data")


def write_files(name, **writers):
    """Write the files of a data set, and return their paths in the same order.

    Files that the same code wrote are kept. A quick test has a folder of its own.

    Args:
        name: name of the data set.
        **writers: by the name of a file, without its ending: a tuple of the ending, the function
            that makes the lines of the file from a number of samples, and this number.

    Example:
        >>> write_files("numbers", train=("txt", lambda number: map(str, range(number)), 4000))
        ['output/data/numbers/train.txt']
    """
    folder = FOLDER / (f"{name}-smoke" if is_smoke() else name)
    paths = [folder / f"{file}.{ending}" for file, (ending, _, _) in writers.items()]
    record = folder / "source.json"
    source = {"sha256": compute_source_hash()}
    is_complete = all(path.is_file() for path in [*paths, record])
    if not (is_complete and json.loads(record.read_text()) == source):
        for path, (_, make_lines, number) in zip(paths, writers.values()):
            number = max(32, number // 100) if is_smoke() else number
            with atomic_write(path) as file:
                file.writelines(f"{line}\n" for line in make_lines(number))
        with atomic_write(record) as file:
            json.dump(source, file)
    return [str(path) for path in paths]


def compute_source_hash():
    """Compute a hash of the code that makes synthetic data."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def to_json(record):
    """Convert a record to one line of JSON."""
    return json.dumps(record, ensure_ascii=False)
