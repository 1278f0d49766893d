"""Checkpoint readers: every format opens as a mapping that reads one tensor at a time."""

import json
import shutil
import subprocess
import sys
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from support import GOLDEN, load_arrays, load_record

from bert4keras.checkpoints import (
    CheckpointError,
    LayerCheckpoint,
    check_hdf5,
    open_checkpoint,
    write_h5,
    write_safetensors,
    write_tf1,
)
from bert4keras.checkpoints.checkpoint import ShapeCheckpoint

BERT = GOLDEN / "models" / "bert"
HF = GOLDEN / "hf"


class TestOpenCheckpoint:
    @pytest.mark.parametrize("family", ["bert", "bert_factorised", "bert_types", "albert"])
    @pytest.mark.parametrize("ending", ["", ".index"])
    def test_a_tensorflow_checkpoint_holds_the_variables_of_its_index(self, family, ending):
        variables = load_record(f"models/{family}/base.json")["variables"]
        with open_checkpoint(GOLDEN / "models" / family / f"bert_model.ckpt{ending}") as checkpoint:
            assert set(checkpoint) == set(variables) and len(checkpoint) == len(variables)
            for name, (shape, dtype) in variables.items():
                tensor = checkpoint[name]
                assert tensor.shape == tuple(shape) and tensor.dtype == dtype

    @pytest.mark.parametrize("layout", ["views.bin", "legacy.bin"])
    def test_torch_files_are_read_without_torch(self, layout):
        want = load_arrays("checkpoints/views.npz")
        with open_checkpoint(GOLDEN / "checkpoints" / layout) as checkpoint:
            assert set(checkpoint) == set(want)
            for name, array in want.items():
                assert checkpoint[name].shape == array.shape
                np.testing.assert_array_equal(checkpoint[name].astype("float32"), array)

    def test_types_are_those_stored(self):
        with open_checkpoint(GOLDEN / "checkpoints" / "views.bin") as checkpoint:
            types = {name: checkpoint[name].dtype for name in ("brain", "half", "count", "flags")}
        assert types == {
            "brain": ml_dtypes.bfloat16,
            "half": "float16",
            "count": "int64",
            "flags": "?",
        }

    def test_one_model_is_the_same_in_a_bin_and_in_safetensors(self):
        with open_checkpoint(HF / "bert") as safetensors, open_checkpoint(HF / "bert@bin") as torch:
            assert set(safetensors) == set(torch)
            for name in safetensors:
                np.testing.assert_array_equal(safetensors[name], torch[name])

    def test_a_sharded_model_is_the_same_as_a_whole_one(self):
        with (
            open_checkpoint(HF / "bert_mlm") as file,
            open_checkpoint(HF / "bert_mlm@sharded") as shards,
        ):
            assert set(file) == set(shards)
            for name in file:
                np.testing.assert_array_equal(file[name], shards[name])

    def test_a_dict_is_a_checkpoint(self):
        checkpoint = open_checkpoint({"a": [1.0, 2.0]})
        np.testing.assert_array_equal(checkpoint["a"], [1, 2])

    def test_a_name_that_is_not_there_is_a_key_error_that_names_the_file(self):
        with open_checkpoint(HF / "bert") as checkpoint:
            assert "nonesuch" not in checkpoint
            with pytest.raises(KeyError, match="No tensor `nonesuch` in .*model.safetensors"):
                checkpoint["nonesuch"]

    @pytest.mark.parametrize("name", ["big.h5", "big.safetensors"])
    def test_opening_reads_no_tensor(self, tmp_path, name):
        write = write_h5 if name.endswith(".h5") else write_safetensors
        write(tmp_path / name, {"big": np.zeros(1 << 20), "small": np.ones(2)})
        tracemalloc.start()
        try:
            with open_checkpoint(tmp_path / name) as checkpoint:
                assert "big" in checkpoint and checkpoint["small"].sum() == 2
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_a_safetensors_header_of_any_length_is_told_from_a_pickle(self, tmp_path):
        for length in range(1, 40):
            path = tmp_path / f"{length}.safetensors"
            write_safetensors(path, {"x" * 16 * length: np.ones(2)})
            with open_checkpoint(path) as checkpoint:
                assert len(checkpoint) == 1


class TestFolders:
    def test_a_folder_gives_safetensors_before_torch_before_tensorflow(self, tmp_path):
        for ending in ("index", "data-00000-of-00001"):
            shutil.copy(BERT / f"bert_model.ckpt.{ending}", tmp_path)
        assert open_checkpoint(tmp_path).path.endswith("bert_model.ckpt")
        shutil.copy(HF / "bert@bin" / "pytorch_model.bin", tmp_path)
        assert open_checkpoint(tmp_path).path.endswith("pytorch_model.bin")
        shutil.copy(HF / "bert" / "model.safetensors", tmp_path)
        assert open_checkpoint(tmp_path).path.endswith("model.safetensors")

    def test_several_checkpoints_of_one_kind_in_a_folder_are_an_error(self, tmp_path):
        for name in ("one.h5", "two.h5"):
            write_h5(tmp_path / name, {"a": np.ones(2)})
        with pytest.raises(CheckpointError, match="several checkpoints: one.h5, two.h5"):
            open_checkpoint(tmp_path)

    def test_a_folder_without_a_checkpoint_says_what_was_looked_for(self, tmp_path):
        with pytest.raises(
            CheckpointError, match="looked for model.safetensors, .*pytorch_model.bin"
        ):
            open_checkpoint(tmp_path)

    def test_a_path_without_a_checkpoint_says_what_to_pass(self, tmp_path):
        with pytest.raises(
            CheckpointError, match="No checkpoint at .*nonesuch.* Pass a TensorFlow"
        ):
            open_checkpoint(tmp_path / "nonesuch.ckpt")

    def test_a_file_of_another_kind_says_what_to_pass(self, tmp_path):
        path = tmp_path / "readme.md"
        path.write_text("# words")
        with pytest.raises(CheckpointError, match=r"begins with b'# words'.* Pass a TensorFlow"):
            open_checkpoint(path)


class TestTensorFlowCheckpoint:
    def test_an_index_without_its_data_file_is_an_error(self, tmp_path):
        shutil.copy(GOLDEN / "models/bert_factorised/bert_model.ckpt.index", tmp_path)
        shutil.copy(GOLDEN / "models/bert_factorised/bert_model.ckpt.data-00001-of-00002", tmp_path)
        with pytest.raises(
            CheckpointError, match=r"only \['bert_model.ckpt.data-00001-of-00002'\]"
        ):
            open_checkpoint(tmp_path / "bert_model.ckpt")

    def test_a_cut_data_file_is_an_error(self, tmp_path):
        write_tf1(tmp_path / "model.ckpt", {"a": np.ones((100, 100))})
        data = tmp_path / "model.ckpt.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:-8])
        with pytest.raises(CheckpointError, match="Expected 80000 bytes .* got 79992"):
            open_checkpoint(tmp_path / "model.ckpt")

    def test_a_damaged_data_file_is_an_error(self, tmp_path):
        write_tf1(tmp_path / "model.ckpt", {"a": np.ones(100)})
        data = tmp_path / "model.ckpt.data-00000-of-00001"
        data.write_bytes(b"\1" * 800)
        with open_checkpoint(tmp_path / "model.ckpt") as checkpoint:
            with pytest.raises(CheckpointError, match="(?s)cannot read.*download it again"):
                checkpoint["a"]

    def test_a_damaged_index_is_an_error(self, tmp_path):
        write_tf1(tmp_path / "model.ckpt", {"a": np.ones(100)})
        (tmp_path / "model.ckpt.index").write_bytes(b"words" * 40)
        with pytest.raises(CheckpointError, match="(?s)cannot read.*download it again"):
            open_checkpoint(tmp_path / "model.ckpt")


class TestShardedCheckpoint:
    def test_missing_shards_are_listed(self, tmp_path):
        shutil.copytree(HF / "bert_mlm@sharded", tmp_path, dirs_exist_ok=True)
        (tmp_path / "model-00002-of-00003.safetensors").unlink()
        with pytest.raises(
            CheckpointError, match="needs model-00002-of-00003.safetensors in its folder"
        ):
            open_checkpoint(tmp_path)

    def test_a_shard_that_lacks_a_tensor_is_an_error(self, tmp_path):
        write_safetensors(tmp_path / "one.safetensors", {"a": np.ones(2)})
        index = {"weight_map": {"a": "one.safetensors", "b": "one.safetensors"}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(
            CheckpointError, match="names 1 tensors that their shards do not have, such as `b`"
        ):
            open_checkpoint(tmp_path)

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}']
    )
    def test_an_index_of_another_form_is_an_error(self, tmp_path, text):
        path = tmp_path / "model.safetensors.index.json"
        path.write_text(text)
        with pytest.raises(CheckpointError, match="not the index of a sharded checkpoint"):
            open_checkpoint(path)


class TestKeras3Checkpoint:
    def test_weights_files_of_keras_tell_the_names_of_layers(self, tmp_path):
        import keras

        inputs = keras.Input((None, 4))
        x = keras.layers.Dense(3, name="Embedding-Token")(inputs)
        x = keras.layers.MultiHeadAttention(2, 3, name="Transformer-0-Attention")(x, x)
        model = keras.Model(inputs, keras.layers.Dense(2, name="Output", dtype="bfloat16")(x))
        path = tmp_path / "model.weights.h5"
        model.save_weights(path)
        check_hdf5(path)
        with open_checkpoint(path) as checkpoint:
            layers = checkpoint.layers
        assert layers["Embedding-Token"] == {"0": "layers/dense/vars/0", "1": "layers/dense/vars/1"}
        assert "query_dense/0" in layers["Transformer-0-Attention"]
        with open_checkpoint(path) as checkpoint:
            assert checkpoint[layers["Output"]["0"]].dtype == ml_dtypes.bfloat16
            for layer in ("Embedding-Token", "Output"):
                for place, weight in enumerate(model.get_layer(layer).get_weights()):
                    np.testing.assert_array_equal(checkpoint[layers[layer][str(place)]], weight)

    def test_a_file_of_named_arrays_is_no_weights_file_of_keras(self, tmp_path):
        write_h5(tmp_path / "model.h5", {"bert/pooler/dense/bias": np.ones(2)})
        with open_checkpoint(tmp_path / "model.h5") as checkpoint:
            assert not isinstance(checkpoint, LayerCheckpoint)


class TestImports:
    def test_reading_other_formats_needs_no_tensorflow(self):
        code = (
            "import sys; from bert4keras.checkpoints import open_checkpoint as o\n"
            f"for name in ('bert', 'bert@bin'): o({str(HF)!r} + '/' + name)['pooler.dense.bias']\n"
            "sys.exit('tensorflow' in sys.modules or 'torch' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, cwd=GOLDEN.parent.parent)


@pytest.fixture(params=["safetensors", "torch", "shards", "tensorflow", "hdf5", "dict"])
def source(request, tmp_path):
    """A checkpoint of each format."""
    write_h5(tmp_path / "a.h5", {"bert/pooler/dense/bias": np.ones(2)})
    return {
        "safetensors": HF / "bert",
        "torch": HF / "bert@bin",
        "shards": HF / "bert_mlm@sharded",
        "tensorflow": BERT / "bert_model.ckpt",
        "hdf5": tmp_path / "a.h5",
        "dict": {"a": np.ones(2)},
    }[request.param]


class TestOwnership:
    def test_an_open_checkpoint_stays_open_after_a_borrower(self, source):
        checkpoint = open_checkpoint(source)
        name = next(iter(checkpoint))
        array = checkpoint[name]
        with open_checkpoint(checkpoint) as borrowed_checkpoint:
            with open_checkpoint(borrowed_checkpoint):
                np.testing.assert_array_equal(borrowed_checkpoint[name], array)
        np.testing.assert_array_equal(checkpoint[name], array)
        checkpoint.close()

    @pytest.mark.parametrize("ending", ["h5", "ckpt"])
    def test_a_closed_checkpoint_is_not_called_damaged(self, tmp_path, ending):
        write = write_h5 if ending == "h5" else write_tf1
        write(tmp_path / f"a.{ending}", {"a": np.ones(2)})
        with open_checkpoint(tmp_path / f"a.{ending}") as checkpoint:
            pass
        with pytest.raises(CheckpointError, match="is closed. Open it again with open_checkpoint"):
            checkpoint["a"]


class TestShape:
    def test_shapes_are_those_of_the_tensors(self, source):
        with open_checkpoint(source) as checkpoint:
            for name in checkpoint:
                assert checkpoint.shape(name) == checkpoint[name].shape

    def test_a_missing_name_is_a_key_error(self, source):
        with open_checkpoint(source) as checkpoint:
            with pytest.raises(KeyError, match="No tensor `nonesuch`"):
                checkpoint.shape("nonesuch")

    @pytest.mark.parametrize("name", ["big.h5", "big.safetensors"])
    def test_a_shape_is_known_without_reading(self, tmp_path, name):
        write = write_h5 if name.endswith(".h5") else write_safetensors
        write(tmp_path / name, {"big": np.zeros(1 << 20)})
        with open_checkpoint(tmp_path / name) as checkpoint:
            tracemalloc.start()
            try:
                assert checkpoint.shape("big") == (1 << 20,)
                assert tracemalloc.get_traced_memory()[1] < 1 << 20
            finally:
                tracemalloc.stop()


class TestType:
    def test_types_are_those_of_the_tensors(self, source):
        with open_checkpoint(source) as checkpoint:
            for name in checkpoint:
                assert checkpoint.dtype(name) == checkpoint[name].dtype.name

    def test_a_missing_name_is_a_key_error(self, source):
        with open_checkpoint(source) as checkpoint:
            with pytest.raises(KeyError, match="No tensor `nonesuch`"):
                checkpoint.dtype("nonesuch")

    def test_big_endian_numbers_have_the_same_type(self, tmp_path):
        write_h5(tmp_path / "a.h5", {"a": np.ones(2, ">f4"), "b": np.ones(2, ml_dtypes.bfloat16)})
        with open_checkpoint(tmp_path / "a.h5") as checkpoint:
            assert [checkpoint.dtype(name) for name in "ab"] == ["float32", "bfloat16"]

    def test_quantized_types_of_tensorflow_are_listed(self, tmp_path):
        write_tf1(tmp_path / "a.ckpt", {"a": np.ones(2, "complex64")})
        with open_checkpoint(tmp_path / "a.ckpt") as checkpoint:
            assert checkpoint.dtype("a") == "complex64"

    @pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2"])
    def test_types_that_numpy_lacks_are_named(self, tmp_path, kind):
        entry = {"dtype": kind, "shape": [2], "data_offsets": [0, 2]}
        header = json.dumps({"a": entry}).encode().ljust(72)
        data = len(header).to_bytes(8, "little") + header + bytes(2)
        (tmp_path / "a.safetensors").write_bytes(data)
        with open_checkpoint(tmp_path / "a.safetensors") as checkpoint:
            assert checkpoint.dtype("a") == kind
            with pytest.raises(CheckpointError, match=f"`a` of the type {kind} .*float32"):
                checkpoint["a"]

    @pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2", "uint16"])
    def test_untyped_storages_of_torch_are_read_in_their_type(self, tmp_path, kind):
        torch = pytest.importorskip("torch")
        tensor = torch.arange(4).to(getattr(torch, kind))
        torch.save({"a": tensor, "b": tensor.reshape(2, 2).T}, tmp_path / "a.bin")
        with open_checkpoint(tmp_path / "a.bin") as checkpoint:
            assert checkpoint.dtype("a") == kind
            assert checkpoint["b"].astype("float32").tolist() == [[0, 2], [1, 3]]

    def test_quantized_tensors_of_torch_are_called_so(self, tmp_path):
        torch = pytest.importorskip("torch")
        with pytest.warns(UserWarning):  # torch deprecates them
            tensor = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
        torch.save({"a": tensor}, tmp_path / "a.bin")
        with pytest.raises(CheckpointError, match="got quantized ones .*Save the model in float32"):
            open_checkpoint(tmp_path / "a.bin")


class TestShapeCheckpoint:
    def test_zeros_take_no_memory(self):
        zeros = ShapeCheckpoint(open_checkpoint({"a": np.ones((3, 5))}))["a"]
        assert zeros.shape == (3, 5) and zeros.strides == (0, 0) and not zeros.any()
