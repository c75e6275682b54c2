"""One network in PyTorch: the time of a training step and its memory, as one JSON object with the keys of `sdc bench`.

Runs inside the environment that `compare` makes. Samples are taken and dropped as `sdc bench` does it.
"""

import argparse
import json
import math
import statistics

import host
import torch
from torch.nn.functional import cross_entropy

import networks

MODES = ("channels_last", "channels_first", "compile", "bf16", "max_autotune")
SAMPLE_SECONDS = 0.05
MISSING = 0.02
TRIES = 3


def stepper(network, mode, batch, device):
    """A function that makes one training step on drawn images."""
    layout = torch.contiguous_format if mode == "channels_first" else torch.channels_last
    network = network.to(device, memory_format=layout).train()
    images = torch.randn(batch, 3, 32, 32, device=device).contiguous(memory_format=layout)
    labels = torch.randint(10, (batch,), device=device)
    # The fused optimizer cannot take up a weight whose branch had been dropped at the first step.
    fused = not any(isinstance(module, networks.RandomDrop) for module in network.modules())
    sgd = torch.optim.SGD(network.parameters(), 1e-3, 0.9, nesterov=True, weight_decay=1e-4, fused=fused)
    networks.ShakeDrop.in_graph = mode in ("compile", "max_autotune")
    run = network
    if mode == "compile":
        run = torch.compile(network)
    if mode == "max_autotune":
        run = torch.compile(network, mode="max-autotune")

    def step():
        sgd.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=mode in ("bf16", "max_autotune")):
            loss = cross_entropy(run(images), labels)
        loss.backward()
        sgd.step()
        return loss.item()

    return step


def measure(step, threads, samples, warmup, every):
    """Times `step`, in samples that are long enough to be judged."""
    fastest = math.inf
    for _ in range(max(1, warmup)):
        start = host.Reading()
        step()
        fastest = min(fastest, start.until_now()[0])
    steps = math.ceil(SAMPLE_SECONDS / fastest)
    kept, dropped = [], []
    while len(kept) < samples and len(kept) + len(dropped) < TRIES * samples:
        start = host.Reading()
        for _ in range(steps):
            step()
        wall, missing = start.until_now()
        (kept if every or missing <= MISSING * wall * threads else dropped).append(wall / steps)
    seconds = kept or dropped
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else 3 * seconds
    return {
        "seconds": {"low_quartile": low, "median": median, "high_quartile": high},
        "samples": len(seconds),
        "steps_per_sample": steps,
        "dropped": len(dropped),
        "undisturbed": None if every else bool(kept),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=networks.NETWORKS)
    parser.add_argument("--mode", choices=MODES, default="channels_last")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--every-sample", action="store_true", help="drop none, also where cores were missing")
    parser.add_argument("--parameters", action="store_true", help="only count them")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    before = host.memory("VmRSS")
    network = networks.NETWORKS[args.network]()
    found = {"model": args.network, "version": torch.__version__, "parameters": networks.parameters(network)}
    if not args.parameters:
        step = stepper(network, args.mode, args.batch, args.device)
        timing = measure(step, args.threads, args.steps, args.warmup, args.every_sample)
        found |= {
            "mode": args.mode,
            "threads": args.threads,
            "batch": args.batch,
            "images_per_second": args.batch / timing["seconds"]["median"],
            "step_seconds": timing["seconds"]["median"],
            "step": timing,
            "peak_memory_bytes": host.memory("VmHWM") - before,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
