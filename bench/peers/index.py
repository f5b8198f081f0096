#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""index.py LIBRARY [GROUP...]: picking, putting, moving, ordering and windows, against PyTorch."""
import sys

import torch
import torch.nn.functional as F

from versus import Wick, case, finish

wick = Wick(sys.argv[1])
tensor, run, step = wick.tensor, wick.run, wick.step
generator = torch.Generator().manual_seed(1)


def uniform(*shape):
    return torch.rand(*shape, generator=generator)


def places(high, *shape):
    return torch.randint(high, shape, generator=generator)


def pick():
    x, rows, columns = uniform(2000, 2000), places(2000, 2000, 2000), places(2000, 2000, 2000)
    flat, few, many = uniform(1_000_000), places(1_000_000, 4_000_000), uniform(4_000_000)
    long, some = uniform(100_000, 64), places(100_000, 200_000)
    X, R, C, L, S, W = map(tensor, (x, rows, columns, flat, few, many))
    G, I = tensor(long), tensor(some)
    case("gather axis 0, 2000 x 2000", lambda: x.gather(0, rows), run("gather", [X, R], axis=0))
    case("gather axis 1, 2000 x 2000", lambda: x.gather(1, columns), run("gather", [X, C], axis=1))
    case("gather, 4e6 of 1e6", lambda: flat.gather(0, few), run("gather", [L, S], axis=0))
    case("take, 4e6 of 1e6", lambda: flat.take(few), run("take", [L, S]))
    case("index_get, 4e6 of 1e6", lambda: flat[few], run("index_get", [L, S]))
    case("index_get pairs, 4e6 of 2000 x 2000", lambda: x[rows, columns], run("index_get", [X, R, C]))
    case("index_select, 2e5 rows of 64", lambda: long.index_select(0, some), run("index_select", [G, I], axis=0))
    wide, few_columns = uniform(4000, 1000), places(1000, 500)
    D, E = tensor(wide), tensor(few_columns)
    case("index_select, 500 columns of 1000", lambda: wide.index_select(1, few_columns),
         run("index_select", [D, E], axis=1))
    eight = places(500_000, 2_000_000)
    narrow = uniform(500_000, 8)
    N, T = tensor(narrow), tensor(eight)
    case("index_select, 2e6 rows of 8", lambda: narrow.index_select(0, eight), run("index_select", [N, T], axis=0))


def put():
    x, source = uniform(2000, 2000), uniform(2000, 2000)
    rows, columns = places(2000, 2000, 2000), places(2000, 2000, 2000)
    X, V, R, C = map(tensor, (x, source, rows, columns))
    for axis, index, name in ((0, rows, R), (1, columns, C)):
        case(f"scatter axis {axis}, 2000 x 2000", lambda: x.scatter(axis, index, source),
             run("scatter", [X, name, V], axis=axis))
        case(f"scatter_add axis {axis}, 2000 x 2000", lambda: x.scatter_add(axis, index, source),
             run("scatter_add", [X, name, V], axis=axis))
    case("scatter_reduce max axis 1, 2000 x 2000", lambda: x.scatter_reduce(1, columns, source, "amax"),
         run("scatter_reduce", [X, C, V], axis=1, reduction="max"))
    flat, few, many = uniform(1_000_000), places(1_000_000, 4_000_000), uniform(4_000_000)
    L, S, W = map(tensor, (flat, few, many))
    case("scatter, 4e6 to 1e6", lambda: flat.scatter(0, few, many), run("scatter", [L, S, W], axis=0))
    case("scatter_add, 4e6 to 1e6", lambda: flat.scatter_add(0, few, many), run("scatter_add", [L, S, W], axis=0))
    case("index_put, 4e6 to 1e6", lambda: flat.index_put((few,), many), run("index_put", [L, W, S]))
    case("index_put add, 4e6 to 1e6", lambda: flat.index_put((few,), many, accumulate=True),
         run("index_put", [L, W, S], accumulate=True))
    long, some, parts = uniform(100_000, 64), places(100_000, 200_000), uniform(200_000, 64)
    G, I, P = map(tensor, (long, some, parts))
    case("index_add, 2e5 rows of 64", lambda: long.index_add(0, some, parts), run("index_add", [G, I, P], axis=0))
    case("index_copy, 2e5 rows of 64", lambda: long.index_copy(0, some, parts), run("index_copy", [G, I, P], axis=0))
    case("index_put pairs, 4e6 to 2000 x 2000", lambda: x.index_put((rows, columns), source),
         run("index_put", [X, V, R, C]))
    few_segments, narrow = places(1000, 200_000), uniform(4_000_000)
    many_segments = places(100_000, 4_000_000)
    J, K, Y = map(tensor, (few_segments, many_segments, narrow))
    case("segment_sum, 2e5 rows of 64 to 1000", lambda: torch.zeros(1000, 64).index_add_(0, few_segments, parts),
         run("segment_sum", [P, J], count=1000))
    case("segment_sum, 4e6 to 1e5", lambda: torch.zeros(100_000).index_add_(0, many_segments, narrow),
         run("segment_sum", [Y, K], count=100_000))


def masks():
    x, y = uniform(2000, 4000), uniform(2000, 4000)
    for name, share in (("half", 0.5), ("few", 0.99)):
        mask = uniform(2000, 4000) > share
        X, M = tensor(x), tensor(mask)
        case(f"nonzero of bool, 8e6, {name}", lambda: mask.nonzero(), run("nonzero", [M]))
        case(f"masked_select, 8e6, {name}", lambda: x.masked_select(mask), run("masked_select", [X, M]))
    Y = tensor(y)
    case("masked_fill, 8e6", lambda: x.masked_fill(mask, 0.0), run("masked_fill", [X, M], value=0))
    case("where, 8e6", lambda: torch.where(mask, x, y), run("where", [M, X, Y]))
    row = uniform(1, 4000) > 0.5
    case("where a row, 8e6", lambda: torch.where(row, x, y), run("where", [tensor(row), X, Y]))
    case("nonzero of f32, 8e6", lambda: x.nonzero(), run("nonzero", [X]))
    classes = places(1000, 8000)
    case("one_hot i64, 8000 x 1000", lambda: F.one_hot(classes, 1000),
         run("one_hot", [tensor(classes)], classes=1000, dtype="i64"))


def move():
    x = uniform(32, 56, 56, 64)
    images = x.permute(0, 3, 1, 2)
    X = tensor(x)
    [I] = wick.op("permute", [X], axes=(0, 3, 1, 2))()
    flat = uniform(8_000_000)
    square = uniform(3000, 3000)
    Q = tensor(square)
    [T] = wick.op("permute", [Q], axes=(1, 0))()
    case("concatenate first, 2 x 6.4e6", lambda: torch.cat([x, x], 0), run("concatenate", [X, X], axis=0))
    case("concatenate last, 2 x 6.4e6", lambda: torch.cat([x, x], 3), run("concatenate", [X, X], axis=3))
    case("stack first, 2 x 6.4e6", lambda: torch.stack([x, x], 0), run("stack", [X, X], axis=0))
    case("stack last, 2 x 6.4e6", lambda: torch.stack([x, x], 4), run("stack", [X, X], axis=4))
    case("stack in between, 2 x 6.4e6", lambda: torch.stack([x, x], 1), run("stack", [X, X], axis=1))
    many = [uniform(100_000) for _ in range(40)]
    case("concatenate 40 lists of 1e5", lambda: torch.cat(many), run("concatenate", [tensor(m) for m in many], axis=0))
    case("pad zeros, 6.4e6", lambda: F.pad(x, (0, 0, 1, 1, 1, 1)),
         run("pad", [X], before=(0, 1, 1, 0), after=(0, 1, 1, 0)))
    case("pad last, 9e6", lambda: F.pad(square, (3, 3)), run("pad", [Q], before=(0, 3), after=(0, 3)))
    case("pad reflect, 6.4e6", lambda: F.pad(images, (1, 1, 1, 1), mode="reflect"),
         run("pad", [X], before=(0, 1, 1, 0), after=(0, 1, 1, 0), mode="reflect"))
    case("roll two axes, 6.4e6", lambda: x.roll((3, 3), (1, 2)), run("roll", [X], shifts=(3, 3), axes=(1, 2)))
    case("roll last, 9e6", lambda: square.roll(7, 1), run("roll", [Q], shifts=(7,), axes=(1,)))
    case("roll, 8e6", lambda: flat.roll(1000, 0), run("roll", [tensor(flat)], shifts=(1000,), axes=(0,)))

    def flip(value, axes):
        call = wick.op("flip", [value], axes=axes)

        def both():
            [y] = call()
            [z] = wick.op("contiguous", [y])()
            wick.library.release([y, z])

        return both

    case("flip rows, 6.4e6", lambda: x.flip(2), flip(X, (2,)))
    case("flip last, 9e6", lambda: square.flip(1), flip(Q, (1,)))
    case("flip, 8e6", lambda: flat.flip(0), flip(tensor(flat), (0,)))
    case("transpose copy, 3000 x 3000", lambda: square.t().contiguous(), run("contiguous", [T]))
    case("images to channels first, 6.4e6", lambda: images.contiguous(), run("contiguous", [I]))
    first = images.contiguous()
    [B] = wick.op("permute", [tensor(first)], axes=(0, 2, 3, 1))()
    case("images to channels last, 6.4e6", lambda: first.permute(0, 2, 3, 1).contiguous(), run("contiguous", [B]))
    heads = uniform(16, 512, 12, 64)
    [H] = wick.op("permute", [tensor(heads)], axes=(0, 2, 1, 3))()
    case("heads to front, 6.3e6", lambda: heads.permute(0, 2, 1, 3).contiguous(), run("contiguous", [H]))
    case("repeat, 6.4e6 to 25.7e6", lambda: x.repeat(2, 1, 1, 2), run("repeat", [X], counts=(2, 1, 1, 2)))
    [Z] = wick.op("slice", [Q], axis=1, start=1, end=3000, step=2)()
    case("every second column, 4.5e6", lambda: square[:, 1::2].contiguous(), run("contiguous", [Z]))
    [Z2] = wick.op("narrow", [Q], axis=1, start=100, length=2000)()
    case("split's middle part, 6e6", lambda: square[:, 100:2100].contiguous(), run("contiguous", [Z2]))
    wide = uniform(4096, 1024)
    big, part = uniform(4096, 2048), tensor(wide)
    case("slice_update, 4e6 of 8e6", lambda: big.slice_scatter(wide, 1, 512, 1536),
         run("slice_update", [tensor(big), part], axis=1, start=512, end=1536))
    case("tril, 3000 x 3000", lambda: square.tril(), run("tril", [Q]))


def order():
    x, flat, whole = uniform(1000, 4000), uniform(1_000_000), places(1_000_000, 1_000_000)
    short, thin = uniform(100_000, 32), uniform(4000, 1000)
    X, L, W, S, T = map(tensor, (x, flat, whole, short, thin))
    case("sort, 1000 rows of 4000", lambda: x.sort(1), run("sort", [X], axis=1))
    case("sort along axis 0, 4000 x 1000", lambda: thin.sort(0), run("sort", [T], axis=0))
    case("sort, 1e5 rows of 32", lambda: short.sort(1), run("sort", [S], axis=1))
    case("sort, 1e6", lambda: flat.sort(), run("sort", [L], axis=0))
    case("sort of i64, 1e6", lambda: whole.sort(), run("sort", [W], axis=0))
    case("argsort, 1e6", lambda: flat.argsort(), run("argsort", [L], axis=0))
    for k in (1, 10, 100):
        case(f"top {k}, 1000 rows of 4000", lambda: x.topk(k, 1), run("top_k", [X], k=k, axis=1))
    case("top 100 of 1e6", lambda: flat.topk(100), run("top_k", [L], k=100, axis=0))
    case("top 10000 of 1e6", lambda: flat.topk(10_000), run("top_k", [L], k=10_000, axis=0))
    case("top 2, 1e5 rows of 32", lambda: short.topk(2, 1), run("top_k", [S], k=2, axis=1))
    case("kth_value 2000, 1000 rows of 4000", lambda: x.kthvalue(2000, 1), run("kth_value", [X], k=2000, axis=1))
    case("median, 1000 rows of 4000", lambda: x.median(1), run("median", [X], axis=1))
    edges = uniform(10_000).sort().values
    few = uniform(64).sort().values
    case("search_sorted, 1e6 in 1e4", lambda: torch.searchsorted(edges, flat), run("search_sorted", [tensor(edges), L]))
    case("search_sorted, 1e6 in 64", lambda: torch.searchsorted(few, flat), run("search_sorted", [tensor(few), L]))
    for name, values in (("1e6 of 1e6", whole), ("1e6 of 1000", places(1000, 1_000_000))):
        case(f"unique of i64, {name}", lambda: values.unique(return_inverse=True, return_counts=True),
             run("unique", [tensor(values)]))
    case("unique of f32, 1e6", lambda: flat.unique(return_inverse=True, return_counts=True), run("unique", [L]))


def windows():
    for n, side, channels in ((32, 112, 64), (32, 56, 128), (64, 28, 32), (128, 32, 32), (128, 28, 6)):
        x = uniform(n, side, side, channels)
        y = x.permute(0, 3, 1, 2).detach().requires_grad_()
        X = tensor(x, learns=True)
        small = side // 2
        g = uniform(n, small, small, channels)
        to, G = g.permute(0, 3, 1, 2), tensor(g)
        size = f"{n} x {side} x {side} x {channels}"

        def training(function, gradient):
            def both():
                y.grad = None
                function().backward(gradient)
            return both

        def pair(name, function, op, gradient, G, **settings):
            plain = y.detach()
            case(f"{name}, {size}", lambda: function(plain), run(op, [tensor(x)], **settings))
            case(f"{name} step, {size}", training(lambda: function(y), gradient), step(op, [X], [X], G, **settings))

        pair("max_pool2d 2", lambda v: F.max_pool2d(v, 2), "max_pool2d", to, G, window=(2, 2))
        pair("max_pool2d 3/2", lambda v: F.max_pool2d(v, 3, 2, 1), "max_pool2d", to, G, window=(3, 3), stride=(2, 2),
             padding=(1, 1))
        pair("average_pool2d 2", lambda v: F.avg_pool2d(v, 2), "average_pool2d", to, G, window=(2, 2))
        pair("average_pool2d 3/2", lambda v: F.avg_pool2d(v, 3, 2, 1), "average_pool2d", to, G, window=(3, 3),
             stride=(2, 2), padding=(1, 1), count_padding=True)
        if n == 128:  # windows of small networks
            continue
        pair("resize bilinear to half", lambda v: F.interpolate(v, scale_factor=0.5, mode="bilinear"), "interpolate", to,
             G, size=(small, small), mode="linear")
        if side < 112:
            double = uniform(n, 2 * side, 2 * side, channels)
            pair("resize bilinear to double", lambda v: F.interpolate(v, scale_factor=2.0, mode="bilinear"),
                 "interpolate", double.permute(0, 3, 1, 2), tensor(double), size=(2 * side, 2 * side), mode="linear")
            pair("resize nearest to double", lambda v: F.interpolate(v, scale_factor=2.0), "interpolate",
                 double.permute(0, 3, 1, 2), tensor(double), size=(2 * side, 2 * side))
        if channels <= 32:
            patches = uniform(n, side * side, 9 * channels)
            pair("unfold2d 3", lambda v: F.unfold(v, 3, padding=1), "unfold2d", patches.permute(0, 2, 1).contiguous(),
                 tensor(patches), window=(3, 3), padding=(1, 1))
        one = uniform(n, 1, 1, channels)
        pair("global average", lambda v: F.adaptive_avg_pool2d(v, 1), "adaptive_average_pool2d", one.permute(0, 3, 1, 2),
             tensor(one), size=(1, 1))


GROUPS = {"pick": pick, "put": put, "masks": masks, "move": move, "order": order, "windows": windows}
for group in sys.argv[2:] or GROUPS:
    GROUPS[group]()
sys.exit(finish("index"))
