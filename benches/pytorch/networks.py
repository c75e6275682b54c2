"""The networks of `benches/networks/*.sd` in PyTorch, as its users write them.

Layers, shortcuts and rules are those of the `.sd` files, so the parameter counts are equal; initial weights are
PyTorch's own, since they do not matter to time. All that makes PyTorch faster without changing what is computed is
used: in-place relu, branches that are skipped where RandomDrop drops them, draws only where a gate is closed.
"""

import torch
import torch.nn.functional as F
from torch import nn


class ShakeDropFactor(torch.autograd.Function):
    """b + alpha - b alpha forward, b + beta - b beta backward (Yamada et al. 2019, equation 6), for one gate b a batch."""

    @staticmethod
    def forward(ctx, x, kept, shape):
        ctx.kept, ctx.shape = kept, shape
        return x if kept else x * x.new_empty(shape).uniform_(-1, 1)

    @staticmethod
    def backward(ctx, dy):
        dx = dy if ctx.kept else dy * dy.new_empty(ctx.shape).uniform_(0, 1)
        return dx, None, None


class ShakeDropFactorInGraph(torch.autograd.Function):
    """The same with a gate that stays a tensor: a compiler sees one graph, and alpha and beta are always drawn."""

    @staticmethod
    def forward(ctx, x, b, shape):
        ctx.save_for_backward(b)
        ctx.shape = shape
        return x * (b + (1 - b) * torch.empty(shape, dtype=x.dtype, device=x.device).uniform_(-1, 1))

    @staticmethod
    def backward(ctx, dy):
        (b,) = ctx.saved_tensors
        return dy * (b + (1 - b) * torch.empty(ctx.shape, dtype=dy.dtype, device=dy.device).uniform_(0, 1)), None, None


class ShakeDrop(nn.Module):
    """Scales the sum's branch; alpha and beta are drawn for each image or for each pixel."""

    in_graph = False

    def __init__(self, p, level):
        super().__init__()
        self.p, self.level = p, level

    def forward(self, x, branches):
        (branch,) = branches
        y = branch(x)
        shape = (y.shape[0], 1, 1, 1) if self.level == "image" else y.shape
        if self.in_graph:
            return ShakeDropFactorInGraph.apply(y, (torch.rand((), device=y.device) < self.p).to(y.dtype), shape)
        return ShakeDropFactor.apply(y, torch.rand(()).item() < self.p, shape)


class RandomDrop(nn.Module):
    """Stochastic depth (Huang et al. 2016): the branch runs with probability p, and is not computed otherwise."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x, branches):
        if torch.rand(()).item() < self.p:
            (branch,) = branches
            return branch(x)
        return None


class ShakeShakeMix(torch.autograd.Function):
    """a y_1 + (1 - a) y_2 forward, with another a backward (Gastaldi 2017), one for each image."""

    @staticmethod
    def forward(ctx, first, second):
        return torch.lerp(second, first, first.new_empty(first.shape[0], 1, 1, 1).uniform_(0, 1))

    @staticmethod
    def backward(ctx, dy):
        c = dy.new_empty(dy.shape[0], 1, 1, 1).uniform_(0, 1)
        first = dy * c
        return first, dy - first


class ShakeShake(nn.Module):
    def forward(self, x, branches):
        first, second = [branch(x) for branch in branches]
        return ShakeShakeMix.apply(first, second)


class Plain(nn.Module):
    def forward(self, x, branches):
        (branch,) = branches
        return branch(x)


class Residual(nn.Module):
    """shortcut(x) + rule(branches(x)), with a relu after the sum where the block has one."""

    def __init__(self, branches, shortcut, rule, relu_after_sum=False):
        super().__init__()
        self.branches, self.shortcut, self.rule = nn.ModuleList(branches), shortcut, rule
        self.relu_after_sum = relu_after_sum

    def forward(self, x):
        y = self.rule(x, self.branches)
        shortcut = self.shortcut(x)
        out = shortcut if y is None else shortcut + y
        return F.relu(out) if self.relu_after_sum else out


class PadShortcut(nn.Module):
    """Pools where the size halves, and appends channels of zeros."""

    def __init__(self, inputs, outputs, stride, kernel):
        super().__init__()
        self.missing, self.stride, self.kernel = outputs - inputs, stride, kernel

    def forward(self, x):
        if self.stride > 1:
            x = F.avg_pool2d(x, self.kernel, self.stride)
        return F.pad(x, (0, 0, 0, 0, 0, self.missing)) if self.missing else x


class TwoPaths(nn.Module):
    """Shake-Shake's shortcut: two paths that see other pixels, joined."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.stride = stride
        self.first = conv(inputs, outputs // 2, 1)
        self.second = conv(inputs, outputs - outputs // 2, 1)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = F.relu(x)
        s = self.stride
        shifted = F.pad(x, (1, -1, 1, -1))
        return self.bn(torch.cat([self.first(x[:, :, ::s, ::s]), self.second(shifted[:, :, ::s, ::s])], 1))


class Head(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, x):
        return self.linear(x.mean((2, 3)))


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def relu():
    return nn.ReLU(inplace=True)


def decay(l, count):
    """p_l with P_L = 1/2 (Huang et al. 2016, equation 4)."""
    return 1 - l / count * 0.5


def resnet(depth, rule):
    """ResNet for CIFAR with shortcuts of zeros (He et al. 2016)."""
    n = (depth - 2) // 6
    layers, channels, l = [conv(3, 16, 3), nn.BatchNorm2d(16), relu()], 16, 0
    for stage in range(3):
        for i in range(n):
            width, stride, l = 16 << stage, 2 if stage and not i else 1, l + 1
            branch = nn.Sequential(
                conv(channels, width, 3, stride), nn.BatchNorm2d(width), relu(),
                conv(width, width, 3), nn.BatchNorm2d(width),
            )
            shortcut = PadShortcut(channels, width, stride, 1)
            layers.append(Residual([branch], shortcut, rule(l, 3 * n), relu_after_sum=True))
            channels = width
    return nn.Sequential(*layers, Head(channels, 10))


def pyramidnet(depth, alpha, rule, bottleneck=False):
    """PyramidNet for CIFAR (Han et al. 2017)."""
    n = (depth - 2) // (9 if bottleneck else 6)
    layers, channels, l = [conv(3, 16, 3), nn.BatchNorm2d(16)], 16, 0
    for stage in range(3):
        for i in range(n):
            l += 1
            width, stride = int(16 + alpha * l / (3 * n) + 0.5), 2 if stage and not i else 1
            outputs = 4 * width if bottleneck else width
            if bottleneck:
                body = [
                    conv(channels, width, 1), nn.BatchNorm2d(width), relu(),
                    conv(width, width, 3, stride), nn.BatchNorm2d(width), relu(), conv(width, outputs, 1),
                ]
            else:
                body = [conv(channels, width, 3, stride), nn.BatchNorm2d(width), relu(), conv(width, width, 3)]
            branch = nn.Sequential(nn.BatchNorm2d(channels), *body, nn.BatchNorm2d(outputs))
            layers.append(Residual([branch], PadShortcut(channels, outputs, stride, stride), rule(l, 3 * n)))
            channels = outputs
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), relu(), Head(channels, 10))


def wrn(depth, k):
    """Wide ResNet (Zagoruyko and Komodakis 2016)."""
    n = (depth - 4) // 6
    layers, channels = [conv(3, 16, 3)], 16
    for stage in range(3):
        for i in range(n):
            width, stride = 16 * k << stage, 2 if stage and not i else 1
            shared = [nn.BatchNorm2d(channels), nn.ReLU()]
            body = [conv(channels, width, 3, stride), nn.BatchNorm2d(width), relu(), conv(width, width, 3)]
            if stride > 1 or channels != width:
                layers += shared
                layers.append(Residual([nn.Sequential(*body)], conv(channels, width, 1, stride), Plain()))
            else:
                layers.append(Residual([nn.Sequential(*shared, *body)], nn.Identity(), Plain()))
            channels = width
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), relu(), Head(channels, 10))


def resnext(depth, cardinality, group_width):
    """ResNeXt for CIFAR (Xie et al. 2017)."""
    n = (depth - 2) // 9
    layers, channels = [conv(3, 64, 3), nn.BatchNorm2d(64), relu()], 64
    for stage in range(3):
        for i in range(n):
            width, stride = 64 << stage, 2 if stage and not i else 1
            inner, outputs = cardinality * (width * group_width // 64), 4 * width
            branch = nn.Sequential(
                conv(channels, inner, 1), nn.BatchNorm2d(inner), relu(),
                conv(inner, inner, 3, stride, cardinality), nn.BatchNorm2d(inner), relu(),
                conv(inner, outputs, 1), nn.BatchNorm2d(outputs),
            )
            changes = stride > 1 or channels != outputs
            projection = nn.Sequential(conv(channels, outputs, 1, stride), nn.BatchNorm2d(outputs))
            layers.append(Residual([branch], projection if changes else nn.Identity(), Plain(), relu_after_sum=True))
            channels = outputs
    return nn.Sequential(*layers, Head(channels, 10))


def shake_resnet(depth, base):
    """The networks of Shake-Shake (Gastaldi 2017)."""
    n = (depth - 2) // 6
    layers, channels = [conv(3, 16, 3), nn.BatchNorm2d(16)], 16
    for stage in range(3):
        for i in range(n):
            width, stride = base << stage, 2 if stage and not i else 1

            def branch():
                return nn.Sequential(
                    nn.ReLU(), conv(channels, width, 3, stride), nn.BatchNorm2d(width), relu(),
                    conv(width, width, 3), nn.BatchNorm2d(width),
                )

            changes = stride > 1 or channels != width
            shortcut = TwoPaths(channels, width, stride) if changes else nn.Identity()
            layers.append(Residual([branch(), branch()], shortcut, ShakeShake()))
            channels = width
    return nn.Sequential(*layers, relu(), Head(channels, 10))


def no_rule(l, count):
    return Plain()


def random_drop(l, count):
    return RandomDrop(decay(l, count))


def shakedrop(level):
    return lambda l, count: ShakeDrop(decay(l, count), level)


NETWORKS = {
    "resnet20": lambda: resnet(20, no_rule),
    "resnet20-shakedrop": lambda: resnet(20, shakedrop("pixel")),
    "resnet20-random-drop": lambda: resnet(20, random_drop),
    "resnet110": lambda: resnet(110, no_rule),
    "resnet110-shakedrop": lambda: resnet(110, shakedrop("pixel")),
    "resnet110-random-drop": lambda: resnet(110, random_drop),
    "pyramidnet110-a48": lambda: pyramidnet(110, 48, shakedrop("image")),
    "pyramidnet110-a270": lambda: pyramidnet(110, 270, shakedrop("image")),
    "pyramidnet272-a200": lambda: pyramidnet(272, 200, shakedrop("image"), bottleneck=True),
    "wrn16-4": lambda: wrn(16, 4),
    "wrn28-10": lambda: wrn(28, 10),
    "resnext29-8x64d": lambda: resnext(29, 8, 64),
    "shake-shake26-2x32d": lambda: shake_resnet(26, 32),
}


def parameters(network):
    """Trained numbers."""
    return sum(p.numel() for p in network.parameters())
