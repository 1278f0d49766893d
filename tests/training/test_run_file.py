"""BackupAndResume: a run is restored whole or not at all; a damaged file is named."""

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from optimizers import toy

from bert4keras.backend import keras
from bert4keras.checkpoints import CheckpointError
from bert4keras.training import BackupAndResume
from bert4keras.training.run_file import RunFile, write_run


def make_model(loss="mse"):
    layers = [keras.layers.Dense(2), keras.layers.Dropout(0.1), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile("adam", loss, **toy.FAST_COMPILE)
    model.optimizer.build(model.trainable_variables)
    return model


def train(path, epochs=1, **options):
    model, resume = make_model(), BackupAndResume(path, **options)
    model.fit(np.ones((4, 2)), np.ones(4), epochs=epochs, verbose=0, callbacks=[resume])
    return model


def get_values(model):
    return [keras.ops.convert_to_numpy(x) for x in [*model.variables, *model.optimizer.variables]]


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.npz"
    train(path)
    return path


def read_entries(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_entries(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def to_npy(header, data=b""):
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


@pytest.mark.parametrize(
    "metadata",
    [
        {"files": ("a", "b")},
        {1: "x", None: 2},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"size": np.int64(3), "rates": np.array([0.5, np.nan])},
        None,
    ],
)
def test_a_run_with_any_json_metadata_can_go_on(tmp_path, metadata):
    model = train(tmp_path / "run.npz", epochs=2, metadata=metadata)
    resume, resumed_model = BackupAndResume(tmp_path / "run.npz", metadata=metadata), make_model()
    assert resume.restore(resumed_model) == 2 == len(resume.history)
    for value, expected in zip(get_values(resumed_model), get_values(model), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("metadata", [{"files": ("a", "c")}, {"files": "ab"}, {}, None])
def test_other_metadata_are_refused(tmp_path, metadata):
    train(tmp_path / "run.npz", metadata={"files": ("a", "b")})
    with pytest.raises(ValueError, match="run.npz to have the metadata .*, got .*Resume with"):
        BackupAndResume(tmp_path / "run.npz", metadata=metadata).restore(make_model())


def test_metadata_that_json_cannot_write_are_refused_before_training():
    with pytest.raises(TypeError, match="Expected metadata to be a JSON value"):
        BackupAndResume("run.npz", metadata={1: {2}})
    with pytest.raises(ValueError, match="Expected seed to be a whole number of 0 or more"):
        BackupAndResume("run.npz", seed=-1)


def flip_a_bit_of_the_last_array(path):
    entries = read_entries(path)
    content = bytearray(path.read_bytes())
    name = max((name for name in entries if name.startswith("variable")), key=len)
    end = content.find(entries[name]) + len(entries[name])
    content[end - 1] ^= 1
    path.write_bytes(content)


def change_entry(name, content):
    def change(path):
        entries = read_entries(path)
        entries[name] = content
        if content is None:
            del entries[name]
        write_entries(path, entries)

    return change


def change_record(change):
    def apply(path):
        with np.load(path) as file:
            record, arrays = json.loads(str(file["record"])), {x: file[x] for x in file.files}
        arrays["record"] = json.dumps(change(record))
        np.savez(path, **arrays)

    return apply


def compress(path):
    write_entries(path, read_entries(path), zipfile.ZIP_DEFLATED)


DAMAGES = {
    "a flipped bit": flip_a_bit_of_the_last_array,
    "an empty file": lambda path: path.write_bytes(b""),
    "a text": lambda path: path.write_text("x"),
    "a cut": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "a cut start": lambda path: path.write_bytes(path.read_bytes()[40:]),
    "another npz": lambda path: np.savez(path, a=1),
    "one array": lambda path: path.write_bytes(to_npy("{}", bytes(12))),
    "no variable": change_entry("variable_1.npy", None),
    "no record": change_entry("record.npy", None),
    "another shape": change_entry(
        "variable_0.npy",
        to_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", bytes(16)),
    ),
    "another type": change_entry(
        "variable_0.npy",
        to_npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }", bytes(16)),
    ),
    "a huge shape": change_entry(
        "variable_0.npy",
        to_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"),
    ),
    "objects": change_entry(
        "variable_0.npy", to_npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }", b"x")
    ),
    "code": change_entry("variable_0.npy", to_npy("__import__('os').abort()")),
    "no header": change_entry("variable_0.npy", b"junk"),
    "compressed": compress,
    "a record of numbers": change_entry(
        "record.npy", to_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", bytes(4))
    ),
    "a list": change_record(lambda record: []),
    "no history": change_record(lambda record: {**record, "history": None}),
    "other shapes": change_record(lambda record: {**record, "shapes": [[-1]]}),
    "no metadata": change_record(lambda record: {"history": [], "shapes": []}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_changes_nothing(run, damage):
    DAMAGES[damage](run)
    model, resume = make_model(), BackupAndResume(run)
    values = get_values(model)
    with pytest.raises(CheckpointError, match="BackupAndResume in .*run.npz, got: .*Delete it"):
        resume.restore(model)
    for value, expected in zip(get_values(model), values, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert resume.history == []


def test_restore_needs_a_compiled_and_built_model(run):
    layer = keras.layers.Dense(1)
    for model in (keras.Sequential([keras.Input((2,)), layer]), keras.Sequential([layer])):
        with pytest.raises(ValueError, match="Expected a built and compiled model, got"):
            BackupAndResume(run).restore(model)


def test_two_runs_on_one_path_do_not_disturb_each_other(tmp_path):
    path, shapes = tmp_path / "run.npz", [[3]]

    def save(value):
        for _ in range(20):
            record = {"history": [], "about": value, "shapes": shapes}
            write_run(path, record, [np.full(3, value, "float32")])

    def restore():
        for _ in range(20):
            with RunFile(path) as run:
                assert (run.read_variables(["f"])[0] == run.record["about"]).all()

    write_run(path, {"history": [], "about": 1, "shapes": shapes}, [np.ones(3, "float32")])
    with ThreadPoolExecutor(3) as executor:
        futures = [executor.submit(save, 1), executor.submit(save, 2), executor.submit(restore)]
        for future in futures:
            future.result()
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
