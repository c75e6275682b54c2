"""ResNet-20 on CIFAR-10 in PyTorch from weights that sdc has written, with sdc's order of images: the loss of each step
and the test accuracy at the end, one JSON object a line.

Runs inside the environment that `compare` makes.
"""

import argparse
import json
import struct
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

import networks

# Mean and deviation of each channel, as `src/data/cifar.rs` has them.
MEAN = torch.tensor([125.3, 123.0, 113.9]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([63.0, 62.1, 66.7]).view(1, 3, 1, 1)
BATCH = 128
# The rate of each epoch, as `curves.sd`.
RATES = (0.1, 0.1, 0.01)
# The stream `data.shuffle` of draw format 1: xxh3 of that name.
SHUFFLE = 0x5A1EB137138C8E37
MASK = 0xFFFFFFFF


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011), as `src/num/philox.rs`: four words of each counter."""
    a, b, c, d = counter
    low, high = key & MASK, key >> 32
    for _ in range(10):
        # Products of 64 bits wrap in a signed number; their halves are right all the same.
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        a, c = ((second >> 32) & MASK) ^ b ^ low, ((first >> 32) & MASK) ^ d ^ high
        b, d = second & MASK, first & MASK
        low, high = (low + 0x9E3779B9) & MASK, (high + 0xBB67AE85) & MASK
    return a, b, c, d


def order(count, seed, epoch):
    """The images' numbers sorted by their words of the stream `data.shuffle`; epochs count from 1."""
    blocks = torch.arange((count + 3) // 4, dtype=torch.int64)
    fill = torch.full_like
    counter = (blocks, fill(blocks, epoch), fill(blocks, SHUFFLE & MASK), fill(blocks, SHUFFLE >> 32))
    words = torch.stack(philox(counter, seed), dim=1).flatten()[:count]
    return torch.sort(words, stable=True).indices


def records(folder, names):
    """Images and labels of CIFAR-10's binary files, normalised."""
    data = b"".join((folder / name).read_bytes() for name in names)
    rows = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, 3073)
    images = (rows[:, 1:].reshape(-1, 3, 32, 32).float() - MEAN) / DEVIATION
    return images.contiguous(memory_format=torch.channels_last), rows[:, 0].long()


def tensors(path):
    """A file of safetensors with numbers of 32 bits."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["dtype"] == "F32", name
            begin, end = entry["data_offsets"]
            body = bytearray(data[8 + length + begin : 8 + length + end])
            found[name] = torch.frombuffer(body, dtype=torch.float32).reshape(entry["shape"])
    return found


def take(network, weights):
    """Gives the network its first weights, layer by layer in the order of both."""
    used = set()

    def give(parameter, name):
        with torch.no_grad():
            parameter.copy_(weights[name].reshape(parameter.shape))
        used.add(name)

    def conv_and_bn(conv, bn, place, i):
        give(conv.weight, f"{place}.conv[{i}].weight")
        give(bn.weight, f"{place}.bn[{i}].scale")
        give(bn.bias, f"{place}.bn[{i}].shift")

    conv_and_bn(network[0], network[1], "stem", 0)
    blocks = [module for module in network if isinstance(module, networks.Residual)]
    for number, block in enumerate(blocks):
        group, place = divmod(number, len(blocks) // 3)
        path = f"group[{group}].block[{place}].branch[0]"
        first, first_bn, _, second, second_bn = block.branches[0]
        conv_and_bn(first, first_bn, path, 0)
        conv_and_bn(second, second_bn, path, 1)
    give(network[-1].linear.weight, "head.linear[0].weight")
    give(network[-1].linear.bias, "head.linear[0].bias")
    kinds = ("momentum", "mean", "variance")
    left = [name for name in weights if name not in used and name.rsplit(".", 1)[1] not in kinds]
    assert not left, left


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    images, labels = records(args.data, [f"data_batch_{i}.bin" for i in range(1, 6)])
    network = networks.resnet(20, networks.no_rule)
    take(network, tensors(args.weights))
    network = network.to(memory_format=torch.channels_last).train()
    sgd = torch.optim.SGD(network.parameters(), RATES[0], 0.9, nesterov=True, weight_decay=1e-4)
    step, epoch = 0, 0
    while step < args.steps:
        sgd.param_groups[0]["lr"] = RATES[min(epoch, len(RATES) - 1)]
        epoch += 1
        for chosen in order(len(labels), args.seed, epoch).split(BATCH)[: args.steps - step]:
            sgd.zero_grad(set_to_none=True)
            loss = cross_entropy(network(images[chosen]), labels[chosen])
            loss.backward()
            sgd.step()
            step += 1
            print(json.dumps({"step": step, "loss": loss.item()}), flush=True)
    network.eval()
    images, labels = records(args.data, ["test_batch.bin"])
    with torch.no_grad():
        chosen = torch.cat([network(part).argmax(1) for part in images.split(500)])
    print(json.dumps({"test_accuracy": (chosen == labels).double().mean().item()}))


if __name__ == "__main__":
    main()
