# SPDX-License-Identifier: Apache-2.0
"""Pointwise ops, activations, creation and random ops as NumPy, SciPy and PyTorch would say them."""
import math

import mpmath
import numpy as np
import scipy.special as special
import torch
import torch.nn.functional as F
from words import philox, unit_double, word

TORCH_DTYPES = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16,
                "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8,
                "bool": torch.bool}


def real(function):
    """Of numpy arrays in double; integers give f32, as everywhere in PyTorch."""
    def run(a, *x):
        dtype = x[0].dtype
        for other in x[1:]:
            dtype = torch.promote_types(dtype, other.dtype)
        result = torch.from_numpy(np.asarray(function(*[v.double().numpy() for v in x])))
        if result.dtype == torch.bool:
            return result
        return result.to(dtype if dtype.is_floating_point else torch.float32)
    return run


def whole(integers, reals):
    """Integers in 64 bits, wrapped around to their dtype; 0 where y is 0."""
    def run(a, x, y):
        if x.dtype.is_floating_point or y.dtype.is_floating_point:
            return reals(x, y)
        dtype = torch.result_type(x, y)
        return torch.from_numpy(np.asarray(integers(*[v.to(dtype).long().numpy() for v in (x, y)]))).to(dtype)
    return run


def power(a, x, exponent):
    if not x.dtype.is_floating_point and not exponent.dtype.is_floating_point:
        return torch.pow(x, exponent)
    return real(np.power)(a, x, exponent)



def bits(function):
    return lambda a, x, y: function(x, y)


def sinc(x):
    return np.where(x == 0, 1.0, np.sin(math.pi * x) / np.where(x == 0, 1.0, math.pi * x))


def ndtr(x):
    """SciPy's loses hundreds of ulp far below 0."""
    with mpmath.workdps(40):
        values = [float(mpmath.erfc(-mpmath.mpf(v) / mpmath.sqrt(2)) / 2) for v in np.clip(x, -50, 50).flat]
    return np.array(values).reshape(x.shape)


def lgamma(x):
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    if abs(x - 1) < 1e-8:
        return -0.5772156649015329 * (x - 1)
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


def trigamma(x):
    return np.where(x > 0, special.polygamma(1, np.abs(x)),
                    (math.pi / np.sin(math.pi * x)) ** 2 - special.polygamma(1, 1 - np.minimum(x, 0.0)))


def nan_to_num(a, x):
    return torch.nan_to_num(x, a.get("nan", 0.0), a.get("positive_infinity"), a.get("negative_infinity"))


def gelu(a, x):
    v = x.numpy()
    if a.get("approximate"):
        return torch.from_numpy(v * special.expit(2 * math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))
    return torch.from_numpy(0.5 * v * special.erfc(-v / math.sqrt(2)))


def like(function):
    def run(a, x):
        return function(x.shape, dtype=TORCH_DTYPES.get(a.get("dtype"), x.dtype))
    return run


def dtype_of(a, default=torch.float64):
    return TORCH_DTYPES.get(a.get("dtype"), default)


# ---- random numbers, drawn as src/ops/random.h says ----

def unit(a, i):
    block = philox(a["seed"], a.get("offset", 0) + i, 1)
    return unit_double(block[0], block[1])


def word64(a, i):
    block = philox(a["seed"], a.get("offset", 0) + i, 1)
    return block[0] << 32 | block[1]


def draws(function):
    """f16 and bf16 are rounded from f32."""
    def run(a, x=None):
        shape = a["shape"] if x is None else list(x.shape)
        dtype = dtype_of(a, torch.float64 if x is None else x.dtype)
        values = torch.tensor([function(a, i) for i in range(math.prod(shape))], dtype=torch.float64)
        if dtype in (torch.float16, torch.bfloat16):
            values = values.float()
        return values.to(dtype)
    return run


def normal(a, i):
    index = a.get("offset", 0) + i
    even = index & ~1
    angle = 2 * math.pi * (word(a["seed"], even + 1) * 2.0**-32)
    radius = math.sqrt(-2 * math.log((word(a["seed"], even) + 0.5) * 2.0**-32))
    return a.get("mean", 0.0) + a.get("deviation", 1.0) * radius * (math.sin(angle) if index & 1 else math.cos(angle))


def uniform(a, i):
    low, high = a.get("low", 0.0), a.get("high", 1.0)
    if dtype_of(a) == torch.float64:
        return low + (high - low) * unit(a, i)
    fraction = np.float32((word(a["seed"], a.get("offset", 0) + i) >> 8) * 2.0**-24)
    return float(np.float32(low) + np.float32(high - low) * fraction)


def truncated_normal(a, i):
    mean, deviation = a.get("mean", 0.0), a.get("deviation", 1.0)
    low, high = (special.ndtr((a[end] - mean) / deviation) for end in ("low", "high"))
    return mean + deviation * special.ndtri(low + (high - low) * unit(a, i))


def permutation(a):
    order = list(range(a["count"]))
    for i in range(a["count"] - 1, 0, -1):
        j = word64(a, i) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return torch.tensor(order, dtype=dtype_of(a, torch.int64))


def multinomial(a, x, replacement=None):
    rows = x.double().reshape(-1, x.shape[-1]).tolist()
    result = []
    for r, weights in enumerate(rows):
        for k in range(a["count"]):
            target, below = unit(a, r * a["count"] + k) * sum(weights), 0.0
            for place, weight in enumerate(weights):
                below += weight
                if weight and target < below:
                    break
            result.append(place)
            if not (a.get("replacement") if replacement is None else replacement):
                weights[place] = 0.0
    return torch.tensor(result).reshape(*x.shape[:-1], a["count"])


def bernoulli(a, x):
    narrow = x.dtype != torch.float64
    values = [uniform(a | {"dtype": "f32" if narrow else "f64"}, i) for i in range(x.numel())]
    return (torch.tensor(values).reshape(x.shape) < x.double()).to(x.dtype)


def open_unit(word):
    return (word + 0.5) * 2.0**-32


def gamma(a, i, shape, stream=16):
    """Marsaglia and Tsang's figure, with trial k from stream k."""
    d = (shape + 1 if shape < 1 else shape) - 1 / 3
    for trial in range(1000):
        w = philox(a["seed"], a.get("offset", 0) + i, stream + trial)
        z = math.sqrt(-2 * math.log(open_unit(w[0]))) * math.cos(2 * math.pi * open_unit(w[1]))
        v = (1 + z / math.sqrt(9 * d)) ** 3
        if v > 0 and math.log(open_unit(w[2])) < 0.5 * z * z + d - d * v + d * math.log(v):
            return d * v * (open_unit(w[3]) ** (1 / shape) if shape < 1 else 1)


def beta(a, x, y):
    values = []
    for i, (p, q) in enumerate(zip(x.flatten().tolist(), y.flatten().tolist())):
        one, other = gamma(a, i, p), gamma(a, i, q, 16 + 2 * 1000)
        values.append(one / (one + other))
    return torch.tensor(values, dtype=torch.float64).reshape(x.shape)


def poisson(a, i, mean):
    if mean < 10:
        count, total = 0, math.exp(-mean)
        while unit(a, i) >= total:
            count += 1
            total += math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
        return float(count)
    b = 0.931 + 2.53 * math.sqrt(mean)
    slope = -0.059 + 0.02483 * b
    for trial in range(1000):
        w = philox(a["seed"], a.get("offset", 0) + i, 16 + trial)
        u, v = open_unit(w[0]) - 0.5, open_unit(w[1])
        us = 0.5 - abs(u)
        k = math.floor((2 * slope / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return float(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        if (math.log(v) + math.log(1.1239 + 1.1328 / (b - 3.4)) - math.log(slope / (us * us) + b)
                <= -mean + k * math.log(mean) - math.lgamma(k + 1)):
            return float(k)


def each(function):
    return lambda a, x: torch.tensor([function(a, i, v) for i, v in enumerate(x.flatten().tolist())],
                                     dtype=torch.float64).reshape(x.shape)


def rrelu(a, x):
    ends = {"seed": a["seed"], "offset": a.get("offset", 0), "low": a.get("lower", 1 / 8),
            "high": a.get("upper", 1 / 3)}
    slope = torch.tensor([uniform(ends, i) for i in range(x.numel())], dtype=torch.float64).reshape(x.shape)
    return torch.where(x > 0, x, x * slope)


def weights(scale, fan, distribution):
    """PyTorch's fans are those of [out, in, K...]."""
    def run(a):
        how = {"scale": scale, "fan": fan, "distribution": distribution}
        how |= {k: v for k, v in a.items() if k in how}
        shape = a["shape"]
        fans = (shape[0], shape[0]) if len(shape) < 2 else torch.nn.init._calculate_fan_in_and_fan_out(
            torch.empty([shape[0], shape[-1], *shape[1:-1]]))
        size = {"in": fans[0], "out": fans[1], "average": sum(fans) / 2}[how["fan"]]
        deviation = math.sqrt(how["scale"] / size)
        if how["distribution"] == "normal":
            return draws(normal)(a | {"deviation": deviation})
        if how["distribution"] == "uniform":
            return draws(uniform)(a | {"low": -math.sqrt(3) * deviation, "high": math.sqrt(3) * deviation})
        wide = deviation / 0.87962566103423978
        return draws(truncated_normal)(a | {"low": -2 * wide, "high": 2 * wide, "deviation": wide})
    return run


def polygamma(a, x):
    order, v = a["order"], x.numpy()
    low = np.minimum(v, 0.5)  # the sum by its first terms up to where SciPy knows it
    steps = np.where(v > 0, 0, np.ceil(-low))
    first = sum(np.where(k < steps, (np.where(k < steps, v + k, 1.0)) ** -(order + 1.0), 0.0) for k in range(8))
    rest = special.polygamma(order, v + steps)
    return torch.from_numpy(rest + (-1.0) ** (order + 1) * math.factorial(order) * first)


OPS = {
    "reciprocal": real(lambda x: 1 / x), "square": lambda a, x: x * x, "abs": lambda a, x: x.abs(),
    "sign": lambda a, x: x.sign(), "rsqrt": real(lambda x: 1 / np.sqrt(x)), "power": power, "exp2": real(np.exp2),
    "expm1": real(np.expm1), "log1p": real(np.log1p), "log2": real(np.log2), "log10": real(np.log10),
    "sin": real(np.sin), "cos": real(np.cos), "tan": real(np.tan), "asin": real(np.arcsin), "acos": real(np.arccos),
    "atan": real(np.arctan), "atan2": real(np.arctan2), "sinh": real(np.sinh), "cosh": real(np.cosh),
    "asinh": real(np.arcsinh), "acosh": real(np.arccosh), "atanh": real(np.arctanh), "erf": real(special.erf),
    "erfc": real(special.erfc), "ndtr": real(ndtr), "erfinv": real(special.erfinv),
    "lgamma": real(np.vectorize(lgamma, [float])),
    "digamma": real(special.digamma), "trigamma": real(trigamma), "cbrt": real(np.cbrt),
    "floor": lambda a, x: x.floor(), "ceil": lambda a, x: x.ceil(), "round": lambda a, x: x.round(),
    "trunc": lambda a, x: x.trunc(), "frac": lambda a, x: x.frac(),
    "clamp": lambda a, x: x.clamp(a["min"], a["max"]) if x.dtype.is_floating_point else x.clamp(
        int(a["min"]), int(min(a["max"], 2**62))),
    "lerp": lambda a, x, y, w: torch.lerp(x, y.expand_as(x), w),
    "addcmul": lambda a, x, y, z: torch.addcmul(x, y, z, value=a.get("scale", 1)),
    "addcdiv": lambda a, x, y, z: torch.addcdiv(x, y, z, value=a.get("scale", 1)),
    "masked_fill": lambda a, x, mask: x.masked_fill(mask, a["value"]),
    "floor_divide": whole(np.floor_divide, lambda x, y: torch.div(x, y, rounding_mode="floor")),
    "remainder": whole(np.mod, torch.remainder), "fmod": whole(np.fmod, torch.fmod), "hypot": real(np.hypot),
    "logaddexp": real(np.logaddexp), "logaddexp2": real(np.logaddexp2), "xlogy": real(special.xlogy),
    "copysign": real(np.copysign), "heaviside": lambda a, x, y: torch.heaviside(*torch.broadcast_tensors(x, y)),
    "fmax": lambda a, x, y: torch.fmax(x, y), "fmin": lambda a, x, y: torch.fmin(x, y),
    "squared_difference": lambda a, x, y: (x - y) ** 2,
    "divide_no_nan": real(lambda x, y: np.where(y == 0, 0.0, x / np.where(y == 0, 1.0, y))), "sinc": real(sinc),
    "logit": lambda a, x: torch.logit(x, a.get("epsilon")),
    "deg2rad": lambda a, x: (x if x.dtype.is_floating_point else x.float()) * (math.pi / 180),
    "rad2deg": lambda a, x: x * (180 / math.pi),
    "threshold": lambda a, x: F.threshold(x, a["threshold"], a["value"]),
    "float_power": lambda a, x, y: torch.float_power(x, y), "signbit": lambda a, x: x.signbit(),
    "nan_to_num": nan_to_num, "is_nan": lambda a, x: x.isnan(), "is_infinite": lambda a, x: x.isinf(),
    "is_finite": lambda a, x: x.isfinite(),
    "is_close": lambda a, x, y: torch.isclose(x, y, a.get("relative", 1e-5), a.get("absolute", 1e-8),
                                              a.get("equal_nan", False)),
    "logical_and": bits(torch.logical_and), "logical_or": bits(torch.logical_or),
    "logical_xor": bits(torch.logical_xor),
    "logical_not": lambda a, x: x.logical_not(), "bitwise_and": bits(torch.bitwise_and),
    "bitwise_or": bits(torch.bitwise_or), "bitwise_xor": bits(torch.bitwise_xor),
    "bitwise_not": lambda a, x: x.bitwise_not(), "left_shift": bits(torch.bitwise_left_shift),
    "right_shift": bits(torch.bitwise_right_shift),
    # activations
    "gelu": gelu, "silu": lambda a, x: F.silu(x), "elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "celu": lambda a, x: F.celu(x, a.get("alpha", 1.0)), "selu": lambda a, x: F.selu(x),
    "leaky_relu": lambda a, x: F.leaky_relu(x, a.get("negative_slope", 0.01)),
    "prelu": lambda a, x, w: torch.where(x > 0, x, w * x), "relu6": lambda a, x: F.relu6(x),
    "hardtanh": lambda a, x: F.hardtanh(x), "hardsigmoid": lambda a, x: F.hardsigmoid(x),
    "hardswish": lambda a, x: F.hardswish(x), "mish": lambda a, x: F.mish(x),
    "softplus": lambda a, x: F.softplus(x, a.get("beta", 1), a.get("threshold", 20)),
    "softsign": lambda a, x: F.softsign(x), "log_sigmoid": real(special.log_expit),
    "hardshrink": lambda a, x: F.hardshrink(x, a.get("bound", 0.5)),
    "softshrink": lambda a, x: F.softshrink(x, a.get("bound", 0.5)), "tanhshrink": real(lambda x: x - np.tanh(x)),
    "glu": lambda a, x: F.glu(x, a["axis"]),
    # creation
    "zeros": lambda a: torch.zeros(a["shape"], dtype=dtype_of(a)), "ones": lambda a: torch.ones(a["shape"], dtype=dtype_of(a)),
    "full_like": lambda a, x: torch.full(x.shape, a["value"], dtype=dtype_of(a, x.dtype)),
    "zeros_like": like(torch.zeros), "ones_like": like(torch.ones), "empty_like": like(torch.zeros),
    "eye": lambda a: torch.eye(a["rows"], a.get("columns", a["rows"]), dtype=dtype_of(a)),
    "linspace": lambda a: torch.linspace(a["start"], a["end"], a["count"], dtype=torch.float64).to(dtype_of(a)),
    "logspace": lambda a: torch.from_numpy(np.power(a.get("base", 10.0), np.linspace(
        a["start"], a["end"], a["count"]))).to(dtype_of(a)),
    "range": lambda a: torch.arange(a["start"], a["end"], a.get("step", 1), dtype=dtype_of(a)),
    "tril": lambda a, x: torch.tril(x, a.get("diagonal", 0)), "triu": lambda a, x: torch.triu(x, a.get("diagonal", 0)),
    "tril_indices": lambda a: torch.tril_indices(a["rows"], a["columns"], a.get("diagonal", 0)),
    "triu_indices": lambda a: torch.triu_indices(a["rows"], a["columns"], a.get("diagonal", 0)),
    "one_hot": lambda a, x: (x.long()[..., None] == torch.arange(a["classes"])).to(dtype_of(a, torch.int64)),
    "meshgrid": lambda a, x, y: tuple(torch.meshgrid(x, y, indexing="ij")), "clone": lambda a, x: x.clone(),
    "sequence_mask": lambda a, x: torch.arange(a["count"]) < x[..., None],
    # random
    "uniform": draws(uniform), "normal": draws(normal), "uniform_like": draws(uniform), "normal_like": draws(normal),
    "log_normal": draws(lambda a, i: math.exp(normal(a, i))), "truncated_normal": draws(truncated_normal),
    "exponential": draws(lambda a, i: -math.log1p(-unit(a, i)) / a.get("rate", 1.0)),
    "geometric": draws(lambda a, i: 1 + math.floor(math.log1p(-unit(a, i)) / math.log1p(-a["probability"]))),
    "cauchy": draws(lambda a, i: a.get("median", 0.0) + a.get("scale", 1.0) * math.tan(math.pi * (unit(a, i) - 0.5))),
    "gumbel": draws(lambda a, i: -math.log(-math.log(unit(a, i) + 2.0**-54))),
    "random_integers": lambda a: torch.tensor(
        [a.get("low", 0) + (word64(a, i) * (a["high"] - a.get("low", 0)) >> 64) for i in range(math.prod(a["shape"]))],
        dtype=dtype_of(a, torch.int64)).reshape(a["shape"]),
    "random_mask": lambda a: torch.tensor([unit(a, i) < a["probability"] for i in range(math.prod(a["shape"]))]),
    "random_permutation": permutation, "multinomial": multinomial, "bernoulli": bernoulli,
    "categorical": lambda a, x: multinomial(a, torch.softmax(x, -1), True),
    "bitcast": lambda a, x: x.view(TORCH_DTYPES[a["dtype"]]), "polygamma": polygamma,
    "random_gamma": each(gamma), "random_beta": beta, "random_poisson": each(poisson), "rrelu": rrelu,
    "variance_scaling": weights(1, "in", "truncated_normal"), "glorot_uniform": weights(1, "average", "uniform"),
    "glorot_normal": weights(1, "average", "normal"), "he_uniform": weights(2, "in", "uniform"),
    "he_normal": weights(2, "in", "normal"), "lecun_uniform": weights(1, "in", "uniform"),
    "lecun_normal": weights(1, "in", "normal"),
    "geomspace": lambda a: torch.from_numpy(np.geomspace(a["start"], a["end"], a["count"])),
    "squareplus": real(lambda x: 0.5 * (x + np.sqrt(x * x + 4))),
    "crelu": lambda a, x: torch.cat([F.relu(x), F.relu(-x)], a["axis"]),
}
