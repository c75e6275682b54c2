"""Exports networks after some steps of training and runs them with onnxruntime.

Usage: runtime.py SDC FOLDER   SDC is the binary, FOLDER an empty folder to work in.
"""

import os
import pathlib
import subprocess
import sys
import time

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper

# How far a logit may be off, as a share of the largest, which counts as at least 1.
TOLERANCE = 1e-4
SLOW = os.environ.get("SDC_SLOW") == "1"
STEPS = 6 if SLOW else 24
SHAKEDROP = "place shakedrop(p: linear_decay(l, L), alpha: -1..1, beta: 0..1) on residuals"

# By name: the call in `net`, what is placed, and the call of a smaller one of its kind.
NETWORKS = {
    "resnet-110": ("resnet_cifar(110, 10)", SHAKEDROP, "resnet_cifar(20, 10)"),
    "wrn-16-4": ("wrn(16, 4, 10, dropout: 0.3)", "", "wrn(10, 1, 10, dropout: 0.3)"),
    "resnext-29-three-branch": (
        "resnext_cifar(29, cardinality: 4, width: 64, classes: 10, branches: 2)",
        "place shake_shake() on residuals",
        "resnext_cifar(11, cardinality: 2, width: 8, classes: 10, branches: 2)",
    ),
    "pyramidnet-110": ("pyramidnet(110, alpha: 270, classes: 10)", SHAKEDROP, "pyramidnet(20, alpha: 24, classes: 10)"),
}
USES = """use std.resnet.{resnet_cifar}
use std.wrn.{wrn}
use std.resnext.{resnext_cifar}
use std.pyramidnet.{pyramidnet}
use std.regularizers.{shakedrop, shake_shake, linear_decay}
"""
TRAIN = """
train M {
    data synthetic(channels: 3, height: SIDE, width: SIDE, classes: CLASSES, images: IMAGES)
    loss cross_entropy
    optimizer sgd { lr: 0.005, momentum: 0.9 }
    epochs 1
    batch 4
}
"""


def train(side, classes, steps):
    return TRAIN.replace("SIDE", str(side)).replace("CLASSES", str(classes)).replace("IMAGES", str(4 * steps))


def programs():
    for name, (full, placed, small) in NETWORKS.items():
        model = f"model M {{ input image[3, 32, 32]; net {full if SLOW else small}; {placed} }}"
        yield name, USES + model + train(32, 10, STEPS)
    # Every kind of layer; nothing that could be trained for long.
    parts = pathlib.Path("tests/golden/nets/parts.sd").read_text().replace("model Parts", "model M")
    yield "parts", parts + train(16, 2, 3)


def tensor(path):
    return numpy_helper.to_array(onnx.load_tensor(path))


def check(sdc, folder, name, program):
    """Whether the exported network is sound and gives our logits."""
    start = time.monotonic()
    folder.mkdir()
    (folder / "net.sd").write_text(program)
    run, model, samples = folder / "run", folder / "net.onnx", folder / "samples"
    subprocess.run([sdc, "train", folder / "net.sd", "--quiet", "--out", run], check=True)
    subprocess.run([sdc, "export", run, "--format", "onnx", "-o", model, "--samples", samples], check=True)
    onnx.checker.check_model(str(model), full_check=True)
    images, ours = tensor(samples / "input_0.pb"), tensor(samples / "output_0.pb")
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(["logits"], {"image": images})
    off = float(numpy.abs(theirs - ours).max())
    # The size of a batch is open.
    (first,) = session.run(["logits"], {"image": images[:1]})
    assert first.shape == (1, ours.shape[1]), first.shape
    largest = float(numpy.abs(ours).max())
    sound = images.min() >= 0 and images.max() > 2 and largest > 1e-2 and off <= TOLERANCE * max(1, largest)
    seconds = time.monotonic() - start
    print(f"{name}: {len(images)} images, logits up to {largest:.2f}, off by {off:.1e}, {seconds:.1f} s")
    return sound


def main():
    sdc, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    sound = [check(sdc, folder / name, name, program) for name, program in programs()]
    print(f"{sum(sound)} passed, {len(sound) - sum(sound)} failed")
    sys.exit(not all(sound))


main()
