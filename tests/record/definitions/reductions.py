# SPDX-License-Identifier: Apache-2.0
"""Reductions, running sums, order and products."""
import functools
import math

import numpy as np
import torch

from definitions.first import axes_of


def keep(a):
    return a.get("keep_dims", False)


def wide(x):
    return x if x.is_floating_point() else x.long()


def over(function):
    """A reduction that PyTorch has for several axes."""
    return lambda a, x: function(wide(x), axes_of(a, x), keep(a)) if x.dim() else function(wide(x).reshape(1), [0], False)


def rows(a, x):
    """The reduced axes joined to a last one, and how to bring one element of each back."""
    axes = [i % x.dim() for i in a["axes"]] if a.get("axes") else list(range(x.dim()))
    kept = [i for i in range(x.dim()) if i not in axes]
    flat = x.permute([*kept, *axes]).reshape([x.shape[i] for i in kept] + [-1 if x.numel() else math.prod(x.shape[i] for i in axes)])
    shape = [1 if i in axes else n for i, n in enumerate(x.shape)] if keep(a) else [x.shape[i] for i in kept]
    return flat, shape


def row_wise(function):
    def run(a, x):
        flat, shape = rows(a, x)
        return function(wide(flat) if flat.dtype != torch.bool else flat).reshape(shape)
    return run


def spread(function):
    """Variances: torch has them for several axes, with a correction."""
    return lambda a, x: function(x, axes_of(a, x), correction=0 if a.get("population") else 1, keepdim=keep(a))


def norm(a, x):
    return torch.linalg.vector_norm(x, a.get("order", 2), axes_of(a, x), keep(a))


def extreme(function):
    return lambda a, x: tuple(function(x, a["axis"], keepdim=keep(a)))


def scan(a, x, function, start):
    x = wide(x)
    if a.get("reverse"):
        x = x.flip(a["axis"])
    y = function(x, a["axis"])
    if a.get("exclusive"):
        n = x.shape[a["axis"]]
        y = torch.cat([torch.full_like(y.narrow(a["axis"], 0, min(1, n)), start), y.narrow(a["axis"], 0, max(n - 1, 0))], a["axis"])
    return y.flip(a["axis"]) if a.get("reverse") else y


def recurrence(a, factor, x):
    factor, x = factor.movedim(a["axis"], 0), x.movedim(a["axis"], 0)
    if a.get("reverse"):
        factor, x = factor.flip(0), x.flip(0)
    y, out = torch.zeros_like(x[0]) if len(x) else None, []
    for f, v in zip(factor, x):
        y = f * y + v
        out.append(y)
    y = torch.stack(out) if out else x
    return (y.flip(0) if a.get("reverse") else y).movedim(0, a["axis"])


def ordered(a, x):
    return torch.sort(x, dim=a["axis"], descending=a.get("descending", False), stable=True)


def top_k(a, x):
    y = torch.sort(x, dim=a["axis"], descending=not a.get("smallest", False), stable=True)
    return tuple(v.narrow(a["axis"], 0, a["k"]) for v in y)


def mode(a, x):
    values = torch.mode(x, a["axis"], keep(a)).values
    where = values if keep(a) else values.unsqueeze(a["axis"])
    same = (x == where).long() * torch.arange(1, x.shape[a["axis"]] + 1).reshape([-1 if i == a["axis"] % x.dim() else 1 for i in range(x.dim())])
    return values, same.amax(a["axis"], keep(a)) - 1


def median(function):
    def run(a, x):
        y = function(x, a["axis"], keep(a))
        return y.values, None if y.values.isnan().any() else y.indices
    return lambda a, x: run(a, x) if x.is_floating_point() else (function(x, a["axis"], keep(a)).values, None)


def quantile(function):
    return lambda a, x: function(x, a["level"], a["axis"], keep(a), interpolation=a.get("method", "linear"))


def unique(a, x):
    return torch.unique(x, sorted=True, return_inverse=True, return_counts=True)


def histogram(a, x):
    return torch.histc(x, a["bins"], a.get("low", 0), a.get("high", 0))


def search(a, row, values):
    return torch.searchsorted(row, values.contiguous(), right=a.get("right", False))


def add_matmul(a, addend, x, y):
    beta = a.get("beta", 1)
    return (beta * addend if beta else 0) + a.get("alpha", 1) * (x @ y)


def tensordot(a, x, y):
    return torch.tensordot(x, y, (a.get("axes_x", []), a.get("axes_y", [])))


def einsum(a, *x):
    return torch.from_numpy(np.asarray(np.einsum(a["equation"].replace(" ", ""), *[t.numpy() for t in x])))


def distances(a, x, y):
    return torch.linalg.vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), a.get("order", 2), -1)


def half(x):
    return (x + x.mT) / 2


def triangular(a, x, b):
    upper = a.get("upper", False)
    return torch.linalg.solve_triangular(x, b, upper=upper, unitriangular=a.get("unit_diagonal", False))


def signs(u):
    """1 or -1 for each column: what makes its component furthest from 0 positive."""
    return u.gather(-2, u.abs().argmax(-2, keepdim=True)).sign()


def eigen(a, x):
    values, vectors = torch.linalg.eigh(half(x))
    return values, vectors * signs(vectors)


def svd(a, x):
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    return u * signs(u), s, vt * signs(u).mT


OPS = {
    "sum": over(lambda x, axes, k: torch.sum(x, axes, k)),
    "product": row_wise(lambda x: torch.prod(x, -1)),
    "max": over(torch.amax), "min": over(torch.amin),
    "all": row_wise(lambda x: torch.all(x.bool(), -1)), "any": row_wise(lambda x: torch.any(x.bool(), -1)),
    "argmin": lambda a, x: torch.from_numpy(np.asarray(np.argmin(x.numpy(), a["axis"], keepdims=keep(a)))),
    "variance": spread(torch.var), "standard_deviation": spread(torch.std),
    "moments": lambda a, x: tuple(reversed(spread(torch.var_mean)(a, x))),
    "log_sum_exp": over(torch.logsumexp), "norm": norm,
    "count_nonzero": row_wise(lambda x: torch.count_nonzero(x, -1)),
    "nan_sum": over(torch.nansum), "nan_mean": over(torch.nanmean),
    "min_max": lambda a, x: (torch.amin(x, axes_of(a, x), keep(a)), torch.amax(x, axes_of(a, x), keep(a))),
    "max_with_index": extreme(torch.max), "min_with_index": extreme(torch.min),
    "all_equal": lambda a, x, y: torch.tensor(torch.equal(x, y)),
    "all_close": lambda a, x, y: torch.isclose(x, y, a.get("relative", 1e-5), a.get("absolute", 1e-8), a.get("equal_nan", False)).all(),
    "cumulative_sum": lambda a, x: scan(a, x, torch.cumsum, 0),
    "cumulative_product": lambda a, x: scan(a, x, torch.cumprod, 1),
    "cumulative_max": lambda a, x: tuple(torch.cummax(x, a["axis"])),
    "cumulative_min": lambda a, x: tuple(torch.cummin(x, a["axis"])),
    "log_cumulative_sum_exp": lambda a, x: scan(a, x, torch.logcumsumexp, 0),
    "linear_recurrence": recurrence,
    "sort": lambda a, x: tuple(ordered(a, x)), "argsort": lambda a, x: ordered(a, x).indices, "top_k": top_k,
    "kth_value": lambda a, x: (torch.kthvalue(x, a["k"], a["axis"], keep(a)).values, None),
    "median": median(torch.median), "nan_median": median(torch.nanmedian), "mode": mode,
    "quantile": quantile(torch.quantile), "nan_quantile": quantile(torch.nanquantile),
    "unique": unique,
    "unique_consecutive": lambda a, x: torch.unique_consecutive(x, return_inverse=True, return_counts=True),
    "search_sorted": search, "bucketize": lambda a, x, row: search(a, row, x),
    "is_in": lambda a, x, y: torch.isin(x, y),
    "bin_count": lambda a, x, w=None: torch.bincount(x, w, a.get("minimum_length", 0)), "histogram": histogram,
    "dot": lambda a, x, y: torch.dot(x, y), "inner": lambda a, x, y: torch.inner(x, y),
    "outer": lambda a, x, y: torch.outer(x, y), "vector_dot": lambda a, x, y: torch.linalg.vecdot(x, y, dim=a["axis"]),
    "add_matmul": add_matmul, "tensordot": tensordot, "einsum": einsum,
    "chain_matmul": lambda a, *x: functools.reduce(torch.matmul, x),
    "trace": lambda a, x: torch.diagonal(x, 0, -2, -1).sum(-1),
    "kronecker": lambda a, x, y: torch.kron(x, y),
    "cross": lambda a, x, y: torch.linalg.cross(x, y, dim=a["axis"]),
    "cosine_similarity": lambda a, x, y: torch.cosine_similarity(x, y, a["axis"], a.get("epsilon", 1e-8)),
    "pairwise_distance": lambda a, x, y: torch.nn.functional.pairwise_distance(
        x, y, a.get("order", 2.0), a.get("epsilon", 1e-6), keep(a)),
    "distances": distances, "matrix_power": lambda a, x: torch.linalg.matrix_power(x, a["exponent"]),
    "cholesky": lambda a, x: torch.linalg.cholesky(half(x)), "triangular_solve": triangular,
    "solve": lambda a, x, b: torch.linalg.solve(x, b.unsqueeze(-1)).squeeze(-1) if b.dim() == 1 else torch.linalg.solve(x, b),
    "inverse": lambda a, x: torch.linalg.inv(x), "determinant": lambda a, x: torch.linalg.det(x),
    "log_determinant": lambda a, x: tuple(torch.linalg.slogdet(x)), "qr": lambda a, x: tuple(torch.linalg.qr(x)),
    "symmetric_eigen": eigen, "svd": svd,
    "pseudo_inverse": lambda a, x: torch.linalg.pinv(x), "matrix_rank": lambda a, x: torch.linalg.matrix_rank(x),
    "least_squares": lambda a, x, b: torch.linalg.pinv(x) @ b,
    "cholesky_solve": lambda a, b, l: torch.cholesky_solve(b, l),
    "matrix_exponential": lambda a, x: torch.linalg.matrix_exp(x),
    "lu": lambda a, x: tuple(torch.linalg.lu(x)), "cholesky_inverse": lambda a, l: torch.cholesky_inverse(l),
    "matrix_norm": lambda a, x: torch.linalg.matrix_norm(x, {
        "nuclear": "nuc", "spectral": 2, "largest_column": 1, "largest_row": math.inf}.get(a.get("kind"), "fro")),
    "covariance": lambda a, x: torch.cov(x, correction=0 if a.get("population") else 1),
    "correlation": lambda a, x: torch.corrcoef(x),
    "difference": lambda a, x: torch.diff(x, a.get("times", 1), a["axis"]),
    "trapezoid": lambda a, y: torch.trapezoid(y, dx=a.get("spacing", 1), dim=a["axis"]),
    "in_top_k": lambda a, x, t: (x.topk(a["k"], 1).indices == t.unsqueeze(1)).any(1),
}
