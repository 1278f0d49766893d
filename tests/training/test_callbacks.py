"""Callbacks: best checkpoint, resumption, error on NaN; and those of Keras with our models."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from optimizers import toy

from bert4keras.backend import keras
from bert4keras.data import DataGenerator
from bert4keras.models import build_transformer_model
from bert4keras.optimizers import (
    Adam,
    extend_with_exponential_moving_average,
    extend_with_weight_decay,
)
from bert4keras.training import BackupAndResume, BestCheckpoint, RaiseOnNaN

CONFIG = {
    "vocab_size": 10,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
}


@pytest.fixture
def make_model():
    """Make a model, with other weights each time."""

    def make():
        layers = [keras.layers.Dense(1), keras.layers.Dropout(0.1), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((2,)), *layers])
        model.compile("sgd", "mse", **toy.FAST_COMPILE)
        return model

    return make


@pytest.fixture
def model(make_model):
    return make_model()


def fit(model, *callbacks, epochs=3, **options):
    x, y = np.ones((4, 2)), np.ones(4)
    return model.fit(x, y, epochs=epochs, verbose=0, callbacks=[*callbacks], **options).history


def score_epochs(model, scores):
    """Return an ``evaluate`` that yields scores in turn, and the weights at each call."""
    weights, scores = [], iter(scores)

    def evaluate():
        weights.append(model.get_weights())
        return next(scores)

    return evaluate, weights


def are_equal(first, second):
    return all(np.array_equal(x, y) for x, y in zip(first, second))


def run_in_threads(*functions):
    """Run functions at the same time; raise the error of one."""
    with ThreadPoolExecutor(len(functions)) as executor:
        for future in [executor.submit(function) for function in functions]:
            future.result()


class TestBestCheckpoint:
    @pytest.mark.parametrize("mode, best", [("max", 1), ("min", 2)])
    def test_the_weights_of_the_best_score_are_saved(self, model, tmp_path, mode, best):
        scores = [{"f1": 0.5, "z": 0}, {"f1": 0.7, "z": 2}, {"f1": 0.4, "z": 3}]
        evaluate, weights = score_epochs(model, scores)
        best_checkpoint = BestCheckpoint(tmp_path / "best.weights.h5", evaluate, mode=mode)
        fit(model, best_checkpoint)
        model.load_weights(tmp_path / "best.weights.h5")
        assert are_equal(model.get_weights(), weights[best])
        assert not are_equal(weights[1], weights[2])
        assert best_checkpoint.best == scores[best]["f1"]
        assert [file.name for file in tmp_path.iterdir()] == ["best.weights.h5"]

    def test_later_callbacks_and_the_history_get_the_scores(self, model, tmp_path):
        evaluate, _ = score_epochs(model, [{"f1": 0.5}, {"f1": 0.5}, {"f1": 0.9}])
        early = keras.callbacks.EarlyStopping("f1", patience=1, mode="max")
        history = fit(model, BestCheckpoint(tmp_path / "best.weights.h5", evaluate), early)
        assert history["f1"] == [0.5, 0.5]

    def test_monitor_may_be_a_score_of_keras(self, model, tmp_path):
        path = tmp_path / "best.weights.h5"
        best_checkpoint = BestCheckpoint(path, monitor="val_loss", mode="min")
        history = fit(model, best_checkpoint, validation_data=(np.ones((2, 2)), np.zeros(2)))
        assert best_checkpoint.best == min(history["val_loss"])

    def test_nan_is_never_best(self, model, tmp_path):
        evaluate, weights = score_epochs(model, [{"f1": np.nan}, {"f1": 0.1}, {"f1": np.nan}])
        best_checkpoint = BestCheckpoint(tmp_path / "best.weights.h5", evaluate)
        fit(model, best_checkpoint)
        assert best_checkpoint.best == 0.1

    def test_another_model_can_be_saved(self, model, tmp_path):
        second_model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        path = tmp_path / "a.weights.h5"
        fit(model, BestCheckpoint(path, lambda: {"f1": 1}, model=second_model), epochs=1)
        weights = second_model.get_weights()
        second_model.set_weights([x + 1 for x in weights])
        second_model.load_weights(path)
        assert are_equal(second_model.get_weights(), weights)

    def test_a_failed_write_leaves_the_old_file(self, model, tmp_path, monkeypatch):
        path = tmp_path / "best.weights.h5"
        path.write_text("old")

        def fails(temporary):
            open(temporary, "w").close()
            raise OSError("no space left")

        monkeypatch.setattr(model, "save_weights", fails)
        with pytest.raises(OSError, match="no space"):
            fit(model, BestCheckpoint(path, lambda: {"f1": 1}))
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        assert path.read_text() == "old"

    @pytest.mark.parametrize("mode, first, second", [("max", 0.9, 0.1), ("min", 0.1, 0.9)])
    def test_a_second_fit_compares_with_the_score_of_the_file(
        self, model, tmp_path, mode, first, second
    ):
        path = tmp_path / "best.weights.h5"
        fit(model, BestCheckpoint(path, lambda: {"f1": first}, mode=mode), epochs=1)
        content = path.read_bytes()
        worse = BestCheckpoint(path, lambda: {"f1": second}, mode=mode)
        fit(model, worse, epochs=2)
        assert path.read_bytes() == content and worse.best == first
        model.compile(
            "adam", "mse", **toy.FAST_COMPILE
        )  # another optimizer, which counts from 0, goes on as well
        fit(model, BestCheckpoint(path, lambda: {"f1": second}, mode=mode), epochs=2)
        assert path.read_bytes() == content
        better = BestCheckpoint(path, lambda: {"f1": 2 * first - second}, mode=mode)
        fit(model, better, epochs=1)
        assert path.read_bytes() != content and better.best == 2 * first - second

    @pytest.mark.parametrize("way", ["resume", "initial_epoch", "load_weights", "keras"])
    def test_a_run_that_goes_on_in_another_process_compares_too(self, tmp_path, way, make_model):
        def start(score, epochs):
            model, options = make_model(), {}
            callbacks = [BestCheckpoint(path, lambda: {"f1": score})]
            if way == "resume":
                resume = BackupAndResume(tmp_path / "run.npz")
                options = {"initial_epoch": resume.restore(model)}
                callbacks.append(resume)
            elif way == "keras":
                backup = keras.callbacks.BackupAndRestore(
                    tmp_path / "backup", delete_checkpoint=False
                )
                callbacks.append(backup)
            elif path.exists() and way == "load_weights":
                model.load_weights(path)
            elif path.exists():
                options = {"initial_epoch": 1}
            fit(model, *callbacks, epochs=epochs, **options)

        path = tmp_path / "best.weights.h5"
        start(0.9, epochs=1)
        content = path.read_bytes()
        start(0.8, epochs=2)
        assert path.read_bytes() == content

    def test_another_run_begins_anew(self, tmp_path, make_model):
        path = tmp_path / "best.weights.h5"
        for score in (0.9, 0.1):
            best_checkpoint = BestCheckpoint(path, lambda score=score: {"f1": score})
            fit(make_model(), best_checkpoint, epochs=1)
            assert best_checkpoint.best == score

    @pytest.mark.parametrize("options", [{"monitor": "loss"}, {"mode": "min"}])
    def test_the_score_of_another_name_or_mode_does_not_count(self, model, tmp_path, options):
        path = tmp_path / "best.weights.h5"
        fit(model, BestCheckpoint(path, lambda: {"f1": 0.5}), epochs=1)
        content = path.read_bytes()
        fit(model, BestCheckpoint(path, lambda: {"f1": 0.1}, **options), epochs=1)
        assert path.read_bytes() != content

    @pytest.mark.parametrize("content", [b"", b"no HDF5"])
    def test_a_file_that_is_no_checkpoint_is_replaced(self, model, tmp_path, content):
        path = tmp_path / "best.weights.h5"
        fit(model, BestCheckpoint(path, lambda: {"f1": 0.5}), epochs=1)
        path.write_bytes(content)
        fit(model, BestCheckpoint(path, lambda: {"f1": 0.1}), epochs=1)
        model.load_weights(path)

    def test_two_runs_on_one_path_leave_the_whole_file_of_one(self, tmp_path, make_model):
        path, models = tmp_path / "best.weights.h5", [make_model(), make_model()]
        callbacks = [BestCheckpoint(path, lambda: {"f1": 1}, model=model) for model in models]
        run_in_threads(
            *(lambda c=c: [c._save_weights("f1", 1) for _ in range(10)] for c in callbacks)
        )
        reader = make_model()
        reader.load_weights(path)
        assert any(are_equal(reader.get_weights(), model.get_weights()) for model in models)
        assert [file.name for file in tmp_path.iterdir()] == ["best.weights.h5"]

    @pytest.mark.parametrize("scores", [0.5, [0.5], None, {"f1": "high"}, {"f1": None}])
    def test_evaluate_must_return_a_dict_of_numbers(self, model, tmp_path, scores):
        with pytest.raises(TypeError, match="Expected evaluate to return a dict of numbers"):
            fit(model, BestCheckpoint(tmp_path / "a.weights.h5", lambda: scores))

    def test_wrong_types_are_refused_at_once(self):
        with pytest.raises(TypeError, match="Expected evaluate to be a function, got 0.5"):
            BestCheckpoint("a.weights.h5", 0.5)
        with pytest.raises(TypeError, match="Expected monitor to be a str, got 1"):
            BestCheckpoint("a.weights.h5", monitor=1)

    def test_an_invalid_path_or_mode_is_refused(self):
        with pytest.raises(ValueError, match=r"to end in '.weights.h5'.*got 'best.weights'"):
            BestCheckpoint("best.weights")
        with pytest.raises(ValueError, match="'max' or 'min', got 'most'"):
            BestCheckpoint("a.weights.h5", mode="most")

    def test_a_missing_score_is_named(self, model, tmp_path):
        with pytest.raises(ValueError, match="scores .'f1', 'loss'.*got monitor='f2'"):
            fit(model, BestCheckpoint(tmp_path / "a.weights.h5", lambda: {"f1": 1}, monitor="f2"))
        with pytest.raises(ValueError, match="scores .'loss'.*got monitor=None"):
            fit(model, BestCheckpoint(tmp_path / "a.weights.h5"))


class TestRaiseOnNaN:
    @pytest.mark.parametrize("target, loss", [(np.nan, "nan"), (np.inf, "inf")])
    def test_a_nan_loss_raises_with_epoch_and_batch(self, model, target, loss):
        x, y = np.ones((12, 2)), np.ones(12)
        y[6] = target
        batches = {"batch_size": 2, "shuffle": False, "verbose": 0, "callbacks": [RaiseOnNaN()]}
        where = f"got {loss} in epoch 1, batch 4, after 4 updates. Check the learning rate"
        with pytest.raises(FloatingPointError, match=where):
            model.fit(x, y, epochs=2, **batches)

    def test_saved_files_are_from_before_the_nan(self, model, tmp_path):
        resume = BackupAndResume(tmp_path / "run.npz")
        fit(model, RaiseOnNaN(), resume, epochs=1)
        weights = model.get_weights()
        options = {"initial_epoch": 1, "epochs": 2, "callbacks": [RaiseOnNaN(), resume]}
        with pytest.raises(FloatingPointError, match="in epoch 2, batch 1"):
            model.fit(np.ones((4, 2)), np.full(4, np.nan), verbose=0, **options)
        assert resume.restore(model) == 1 and are_equal(model.get_weights(), weights)


class Rows(DataGenerator):
    """Yields token ids, labelled by the parity of the first."""

    def __iter__(self, random=False):
        for _, ids in self.sample(random):
            yield (
                [np.array([ids] * 2), np.zeros((2, len(ids)), "int32")],
                np.array([ids[0] % 2] * 2),
            )


ROWS = Rows([[2, 5, 7], [3, 6, 4, 8], [5, 2], [4, 4, 9]], batch_size=1)
EPOCHS, KILLED_AFTER = 2, 1


def small_classifier():
    keras.utils.set_random_seed(1)
    bert = build_transformer_model(CONFIG, with_pool=True)
    model = keras.Model(bert.inputs, keras.layers.Dense(2, activation="softmax")(bert.output))
    optimizer = extend_with_exponential_moving_average(extend_with_weight_decay(Adam))(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", **toy.FAST_COMPILE)
    return model


def train(model, *callbacks, epochs=EPOCHS):
    options = {"steps_per_epoch": len(ROWS), "validation_steps": len(ROWS), "verbose": 0}
    return model.fit(
        ROWS.forfit(random=False),
        validation_data=ROWS.forfit(random=False),
        epochs=epochs,
        callbacks=callbacks,
        **options,
    )


class TestKerasCallbacks:
    def test_early_stopping_restores_the_best_weights(self):
        stop = keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
        model = small_classifier()
        model.optimizer.learning_rate = 0.5  # too high: the loss rises
        losses = train(model, stop, epochs=20).history["val_loss"]
        assert len(losses) < 20
        final_loss = model.evaluate(ROWS.forfit(random=False), steps=len(ROWS), verbose=0)
        np.testing.assert_allclose(final_loss, min(losses), rtol=1e-4)

    def test_tensorboard_writes_its_events(self, tmp_path):
        pytest.importorskip("tensorboard")  # Keras needs it; it is not a dependency of this library
        train(
            small_classifier(), keras.callbacks.TensorBoard(tmp_path, write_graph=False), epochs=1
        )
        assert list(tmp_path.rglob("events.out.tfevents.*"))

    def test_backup_and_restore_resumes_exactly(self, tmp_path):
        reference_model = small_classifier()
        train(reference_model)

        class KilledError(Exception):
            pass

        def kill(epoch, logs):
            if epoch == KILLED_AFTER:
                raise KilledError

        with pytest.raises(KilledError):
            backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
            train(small_classifier(), backup, keras.callbacks.LambdaCallback(on_epoch_begin=kill))
        resumed_model = small_classifier()
        history = train(resumed_model, keras.callbacks.BackupAndRestore(tmp_path / "backup"))
        assert len(history.history["loss"]) == EPOCHS - KILLED_AFTER
        for model in (reference_model, resumed_model):
            model.optimizer.apply_ema_weights()
        for got, want in zip(
            resumed_model.get_weights(), reference_model.get_weights(), strict=True
        ):
            np.testing.assert_allclose(got, want, atol=1e-6)
