# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of `wick bench --peers`: each function returns the ways to do a piece of work, of
which the fastest counts."""
import torch
from torch import nn
from torch.nn import functional as F

IMAGES = 10_000


def set_threads(threads):
    torch.set_num_threads(threads)


def prepare(question):
    torch.manual_seed(1)
    return {"gemm": gemm, "conv": conv, "op": op, "mlp": mlp, "train": train}[question["what"]](question)


def gemm(question):
    n = question["size"]
    a, b = torch.rand(n, n) - 0.5, torch.rand(n, n) - 0.5
    return [lambda: a @ b]


def conv(question):
    """Channels last, which is what Wick has and the faster of PyTorch's two layouts."""
    batch, size, channels, filters, kernel, stride = question["layer"]
    last = torch.channels_last
    x = torch.rand(batch, channels, size, size).to(memory_format=last)
    weight = torch.rand(filters, channels, kernel, kernel).to(memory_format=last)
    padding = kernel // 2
    y = F.conv2d(x, weight, None, stride, padding)
    gradient = torch.rand_like(y)
    if question["pass"] == "forward":
        return [lambda: F.conv2d(x, weight, None, stride, padding)]
    which = (question["pass"] == "data", question["pass"] == "weights", False)
    backward = torch.ops.aten.convolution_backward

    def run():
        backward(gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, which)

    return [run]


def op(question):
    shape = question["shape"]
    x, y = torch.rand(shape), torch.rand(shape)
    leaf = torch.rand(4, 16).requires_grad_()
    weight = torch.rand(16, 16)
    images, filters = torch.rand(1, 4, 6, 6), torch.rand(8, 4, 3, 3)
    row, square = torch.rand(1, 64), torch.rand(64, 64).requires_grad_()
    bias = torch.rand(64).requires_grad_()

    def forward_backward():
        leaf.grad = None
        F.relu(leaf).sum().backward()

    def dense_layer():
        square.grad = bias.grad = None
        F.relu(F.linear(row, square, bias)).sum().backward()

    return [{
        "add": lambda: x + y,
        "recorded_add": lambda: leaf + y,
        "relu": lambda: F.relu(x),
        "exp": lambda: torch.exp(x),
        "sum": lambda: x.sum(),
        "reshape": lambda: x.view(4, 4, 4),
        "matmul": lambda: x @ weight,
        "permute": lambda: x.transpose(0, 1),
        "conv2d": lambda: F.conv2d(images, filters),
        "forward_backward": forward_backward,
        "dense_layer": dense_layer,
        "softmax": lambda: F.softmax(x, -1),
        "layer_norm": lambda: F.layer_norm(x, x.shape[-1:]),
    }[question["op"]]]


def mlp(_):
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    x, y = torch.rand(64, 784), torch.randint(0, 10, (64,))
    return [training_step(model, torch.optim.SGD(model.parameters(), 0.01, **how), lambda: (x, y))
            for how in ({}, {"fused": True})]


# ---- training ----

def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(True), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(True), nn.Linear(120, 84), nn.ReLU(True), nn.Linear(84, 10))


def cifar():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(True), nn.Conv2d(32, 32, 3), nn.ReLU(True),
        nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(True), nn.Conv2d(64, 64, 3), nn.ReLU(True),
        nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
        nn.Linear(2304, 512), nn.ReLU(True), nn.Dropout(0.5), nn.Linear(512, 10))


MODELS = {"lenet": (lenet, (1, 28, 28)), "cifar": (cifar, (3, 32, 32))}


def training_step(model, optimizer, next_batch):
    def step():
        x, y = next_batch()
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def train(question):
    """In both layouts; RMSprop has no fused kernel on the processor, but one over all tensors."""
    make, shape = MODELS[question["model"]]
    batch = question["batch"]
    images = torch.randint(0, 256, (IMAGES, *shape), dtype=torch.uint8)
    labels = torch.randint(0, 10, (IMAGES,))
    steps = []
    for layout in (torch.contiguous_format, torch.channels_last):
        for foreach in (False, True):
            model = make().to(memory_format=layout).train()
            found = sum(p.numel() for p in model.parameters())
            if found != question["parameters"]:
                raise RuntimeError(f"{found} parameters, not {question['parameters']}")
            optimizer = torch.optim.RMSprop(model.parameters(), 1e-4, alpha=0.9, foreach=foreach)
            steps.append(training_step(model, optimizer, batches(images, labels, batch, layout)))
    return steps


def batches(images, labels, batch, layout):
    """Shuffled, from bytes to numbers, as the benchmark's own loader does."""
    order = torch.randperm(IMAGES)
    place = 0

    def next_batch():
        nonlocal place
        index = order[place:place + batch]
        place = (place + batch) % (IMAGES - batch)
        return images[index].to(torch.float32, memory_format=layout).div_(255), labels[index]

    return next_batch
