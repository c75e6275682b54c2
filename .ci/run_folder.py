"""Holds what Python reads from a run's folder against itself and against what sdc says of the same run.

Usage: run_folder.py RUN PREDICTED DIGITS   RUN is three epochs of softmax regression on the digits, 24 steps each;
PREDICTED is what `sdc predict RUN --csv` prints, DIGITS the table of images.
"""

import pathlib
import sys

import numpy
import pandas
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

EPOCHS, STEPS = 3, 24
CURVES = {
    "loss/train": "train_loss",
    "loss/test": "test_loss",
    "accuracy/test": "test_accuracy",
    "accuracy/validation": "validation_accuracy",
    "rate": "rate",
}


def metrics(run):
    table = pandas.read_csv(run / "metrics.csv")
    assert list(table["epoch"]) == list(range(1, EPOCHS + 1)), table
    assert list(table["step"]) == [STEPS * epoch for epoch in table["epoch"]], table
    assert table.notna().all().all() and table["test_accuracy"].between(0.5, 1).all(), table
    assert table["train_loss"].is_monotonic_decreasing, table
    return table


def events(run, table):
    log = EventAccumulator(str(run)).Reload()
    assert set(log.Tags()["scalars"]) == set(CURVES), log.Tags()
    for tag, column in CURVES.items():
        points = log.Scalars(tag)
        assert [point.step for point in points] == list(table["step"]), (tag, points)
        values = [point.value for point in points]
        assert values == list(table[column].astype(numpy.float32)), (tag, values)
        assert all(point.wall_time > 1.7e9 for point in points), points


def checkpoint(run, table):
    with safe_open(run / "checkpoints" / f"step-{EPOCHS * STEPS}.safetensors", framework="numpy") as file:
        said, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    assert said["program"] == (run / "program.sd").read_text(), said
    assert (said["seed"], said["step"], said["draw_format"]) == ("7", str(EPOCHS * STEPS), "1"), said
    assert said["metrics"] == (run / "metrics.csv").read_text(), said
    assert said["set"] == "train.epochs=3", said
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    assert shapes == {
        "linear[0].weight": (10, 64),
        "linear[0].weight.momentum": (10, 64),
        "linear[0].bias": (10,),
        "linear[0].bias.momentum": (10,),
    }, shapes
    assert all(tensor.dtype == numpy.float32 and numpy.isfinite(tensor).all() for tensor in tensors.values())
    return tensors["linear[0].weight"], tensors["linear[0].bias"]


def logits(weight, bias, predicted, digits, table):
    """The network in numpy, on the images that are for test: every sixth."""
    rows = pandas.read_csv(digits, header=None).to_numpy()[5::6]
    images, labels = (rows[:, :64] - 4.88) / 6.02, rows[:, 64]
    expected = images @ weight.T.astype(numpy.float64) + bias
    told = pandas.read_csv(predicted)
    assert (told["label"] == labels).all()
    given = told[[f"logit_{i}" for i in range(10)]].to_numpy()
    assert numpy.abs(given - expected).max() < 1e-4, numpy.abs(given - expected).max()
    accuracy = (expected.argmax(axis=1) == labels).mean()
    assert abs(accuracy - table["test_accuracy"].iloc[-1]) < 1e-9, accuracy
    return accuracy


def main():
    run, predicted, digits = map(pathlib.Path, sys.argv[1:])
    table = metrics(run)
    events(run, table)
    accuracy = logits(*checkpoint(run, table), predicted, digits, table)
    print(f"a run's folder is read by pandas, tensorboard and safetensors; {100 * accuracy:.2f} % by numpy as by sdc")


main()
