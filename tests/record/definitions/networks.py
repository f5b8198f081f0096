# SPDX-License-Identifier: Apache-2.0
"""Softmax and its family, losses, attention and recurrent layers, as PyTorch says them."""
import numpy as np
import torch
import torch.nn.functional as F
from words import word


def gradient_of(function, x, g):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x), x, g)[0]


# ---- along axes ----

def along(function, x, axes):
    """`function(x, dim)` along neighbouring axes together, the last if none is given."""
    axes = sorted(a % x.dim() for a in axes) if axes else [x.dim() - 1]
    joined = x.flatten(axes[0], axes[-1])
    return function(joined, axes[0]).reshape(x.shape)


def softmax(a, x):
    return along(torch.softmax, x, a.get("axes"))


def log_softmax(a, x):
    return along(torch.log_softmax, x, a.get("axes"))


# ---- losses ----

def reduction(a):
    return a.get("reduction", "mean")


def reduced(a, losses):
    return {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction(a)](losses)


def classes_second(x):
    return x.movedim(-1, 1) if x.dim() > 2 else x


def cross_entropy(a, x, labels, weight=None):
    if labels.is_floating_point():
        y = F.cross_entropy(x.flatten(0, -2), labels.flatten(0, -2), weight, reduction=reduction(a),
                            label_smoothing=a.get("label_smoothing", 0.0))
        return y.reshape(x.shape[:-1]) if reduction(a) == "none" else y
    return F.cross_entropy(classes_second(x), labels.long(), weight, reduction=reduction(a),
                           ignore_index=a.get("ignore_index", -100), label_smoothing=a.get("label_smoothing", 0.0))


def nll(a, x, labels, weight=None):
    return F.nll_loss(classes_second(x), labels.long(), weight, reduction=reduction(a),
                      ignore_index=a.get("ignore_index", -100))


def pick(a, x, labels):
    y = x.gather(-1, labels[..., None])[..., 0]
    return torch.where(labels == a.get("ignore_index", -100), 0.0, y)


def spread(a, g, labels):
    g = torch.where(labels == a.get("ignore_index", -100), 0.0, g)
    return F.one_hot(labels, a["classes"]) * g[..., None]


def ctc(a, log_p, targets, steps, labels, how=None):
    y = F.ctc_loss(log_p.transpose(0, 1), targets, steps, labels, a.get("blank", 0), how or reduction(a),
                   a.get("zero_infinity", False))
    return y


def ctc_gradient(a, g, log_p, targets, steps, labels):
    """PyTorch's gradient has that of log_softmax in it: it adds the probabilities, within each length."""
    scores = log_p.detach().requires_grad_()
    full = torch.autograd.grad(ctc(a, scores, targets, steps, labels, "none"), scores, g)[0]
    within = (torch.arange(log_p.shape[1]) < steps[:, None])[..., None]
    return torch.where(within, full - log_p.exp() * g[:, None, None], 0.0)


def focal(a, x, target):
    p, ce = torch.sigmoid(x), F.binary_cross_entropy_with_logits(x, target, reduction="none")
    p_t = p * target + (1 - p) * (1 - target)
    loss = ce * (1 - p_t) ** a.get("gamma", 2)
    alpha = a.get("alpha", 0.25)
    if alpha >= 0:
        loss = loss * (alpha * target + (1 - alpha) * (1 - target))
    return reduced(a, loss)


def dice(a, x, target):
    axes, epsilon = tuple(range(1, x.dim())), a.get("epsilon", 1e-7)
    loss = 1 - (2 * (x * target).sum(axes) + epsilon) / (x.sum(axes) + target.sum(axes) + epsilon)
    return reduced(a, loss)


def multilabel_margin(a, x, target):
    return F.multilabel_margin_loss(x, target, reduction=reduction(a))


def d(x):
    return None if x is None else x.double()


OPS = {
    "softmax": softmax, "log_softmax": log_softmax,
    "softmax_gradient": lambda a, g, y: along_pair(a, g, y, torch.ops.aten._softmax_backward_data),
    "log_softmax_gradient": lambda a, g, y: along_pair(a, g, y, torch.ops.aten._log_softmax_backward_data),
    "cross_entropy": cross_entropy,
    "cross_entropy_gradient": lambda a, g, x, labels: gradient_of(lambda v: F.cross_entropy(v, labels), x, g),
    "pick_label": pick, "spread_label": spread, "nll_loss": nll, "ctc_loss": ctc, "ctc_gradient": ctc_gradient,
    "ctc": lambda a, *x: ctc(a, *x, how="none"),
    "mse_loss": lambda a, x, t: F.mse_loss(x, t, reduction=reduction(a)),
    "l1_loss": lambda a, x, t: F.l1_loss(x, t, reduction=reduction(a)),
    "smooth_l1_loss": lambda a, x, t: F.smooth_l1_loss(x, t, reduction=reduction(a), beta=a.get("beta", 1.0)),
    "huber_loss": lambda a, x, t: F.huber_loss(x, t, reduction=reduction(a), delta=a.get("delta", 1.0)),
    "kl_divergence": lambda a, x, t: F.kl_div(x, d(t), reduction=reduction(a), log_target=a.get("log_target", False)),
    "binary_cross_entropy": lambda a, x, t, w=None: F.binary_cross_entropy(
        x, t, None if w is None else w.broadcast_to(x.shape), reduction=reduction(a)),
    "binary_cross_entropy_with_logits": lambda a, x, t, w=None, p=None: F.binary_cross_entropy_with_logits(
        x, t, w, reduction=reduction(a), pos_weight=p),
    "hinge_embedding_loss": lambda a, x, t: F.hinge_embedding_loss(x, t, a.get("margin", 1.0), reduction=reduction(a)),
    "margin_ranking_loss": lambda a, x, y, t: F.margin_ranking_loss(
        x, y, t.broadcast_to(x.shape), a.get("margin", 0.0), reduction=reduction(a)),
    "triplet_margin_loss": lambda a, x, p, n: F.triplet_margin_loss(
        x, p, n, a.get("margin", 1.0), 2, a.get("epsilon", 1e-6), a.get("swap", False), reduction=reduction(a)),
    "cosine_embedding_loss": lambda a, x, y, t: F.cosine_embedding_loss(x, y, t, a.get("margin", 0.0),
                                                                        reduction=reduction(a)),
    "soft_margin_loss": lambda a, x, t: F.soft_margin_loss(x, t, reduction=reduction(a)),
    "multi_margin_loss": lambda a, x, y, w=None: F.multi_margin_loss(
        x, y, 2 if a.get("squared") else 1, a.get("margin", 1.0), w, reduction=reduction(a)),
    "multilabel_margin_loss": multilabel_margin,
    "multilabel_soft_margin_loss": lambda a, x, t, w=None: F.multilabel_soft_margin_loss(
        x, d(t), w, reduction=reduction(a)),
    "poisson_nll_loss": lambda a, x, t: F.poisson_nll_loss(
        x, t, not a.get("plain_rate"), a.get("full", False), eps=a.get("epsilon", 1e-8), reduction=reduction(a)),
    "gaussian_nll_loss": lambda a, x, t, v: F.gaussian_nll_loss(
        x, t, v, a.get("full", False), a.get("epsilon", 1e-6), reduction=reduction(a)),
    "focal_loss": lambda a, x, t: focal(a, x, d(t)), "dice_loss": lambda a, x, t: dice(a, x, d(t)),
}


def along_pair(a, g, y, function):
    axes = sorted(i % y.dim() for i in a["axes"]) if a.get("axes") else [y.dim() - 1]
    joined = function(g.flatten(axes[0], axes[-1]), y.flatten(axes[0], axes[-1]), axes[0], g.dtype)
    return joined.reshape(y.shape)


# ---- attention ----

def kept(a, shape):
    """What dropout multiplies each element by."""
    rate, count = a.get("dropout", a.get("rate", 0.0)), int(np.prod(shape))
    if rate == 0:
        return torch.ones(shape, dtype=torch.float64)
    keep = [(word(a["seed"], a.get("offset", 0) + i) >> 8) * 2.0**-24 >= float(np.float32(rate)) for i in range(count)]
    return torch.tensor(keep, dtype=torch.float64).reshape(shape) / (1 - rate)


def probabilities(a, q, k, mask, shift=None):
    scale = a.get("scale", 0) or (1 / q.shape[-1] ** 0.5)
    k = k.repeat_interleave(q.shape[-3] // k.shape[-3], -3) if q.dim() > 2 else k
    scores = q @ k.transpose(-1, -2) * scale
    if a.get("causal"):
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
    if mask is not None:
        scores = scores + (torch.where(mask.bool(), 0.0, -torch.inf) if mask.dtype == torch.bool else mask)
    if shift is not None:
        return torch.exp(scores - shift[..., None])
    nothing = (scores == -torch.inf).all(-1, keepdim=True)
    p = torch.softmax(torch.where(nothing, 0.0, scores), -1)
    return torch.where(nothing, 0.0, p), torch.where(nothing, 0.0, torch.logsumexp(scores, -1, keepdim=True))[..., 0]


def shared(q, v):
    return v.repeat_interleave(q.shape[-3] // v.shape[-3], -3) if q.dim() > 2 else v


def explicit_attention(a, q, k, v, mask=None):
    p, log_sum = probabilities(a, q, k, mask)
    return (p * kept(a, p.shape)) @ shared(q, v), log_sum


def sdpa(a, q, k, v, mask=None):
    """PyTorch's own where it draws no numbers and refuses nothing."""
    if a.get("dropout") or (a.get("causal") and mask is not None):
        return explicit_attention(a, q, k, v, mask)[0]
    return F.scaled_dot_product_attention(q, k, v, mask, 0.0, a.get("causal", False), scale=a.get("scale"),
                                          enable_gqa=q.dim() > 3 and q.shape[-3] != k.shape[-3])


def attention_gradient(a, g, delta, q, k, v, log_sum, mask=None):
    p, group = probabilities({"scale": 1.0} | a, q, k, mask, log_sum), q.shape[1] // k.shape[1]
    keep = kept(a, p.shape)
    scale = a.get("scale", 1.0)
    slopes = p * (g @ shared(q, v).transpose(-1, -2) * keep - delta[..., None]) * scale

    def joined(x):
        return x.unflatten(1, (-1, group)).sum(2)
    return (slopes @ shared(q, k), joined(slopes.transpose(-1, -2) @ q), joined((p * keep).transpose(-1, -2) @ g))


def multi_head(a, query, key, value, mask, *weights):
    key = query if key is None else key
    value = key if value is None else value
    biases = weights[4:] or [None] * 4
    parts = [F.linear(x, w, b).unflatten(-1, (a["heads"], -1)).transpose(1, 2)
             for x, w, b in zip((query, key, value), weights, biases)]
    y = sdpa({k: a[k] for k in ("causal",) if k in a}, *parts, mask)
    return F.linear(y.transpose(1, 2).flatten(2), weights[3], biases[3])


def rotary(a, x):
    rows, pairs = x.shape[-2], x.shape[-1] // 2
    frequency = a.get("base", 10000.0) ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    angle = (a.get("start", 0) + torch.arange(rows, dtype=torch.float64))[:, None] * frequency
    turn = torch.polar(torch.ones_like(angle), angle)
    if a.get("interleaved"):
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turn).flatten(-2)
    y = torch.complex(*x.chunk(2, -1)) * turn
    return torch.cat([y.real, y.imag], -1)


OPS |= {
    "scaled_dot_product_attention": sdpa, "attention_gradient": attention_gradient, "rotary_embedding": rotary,
    "attention": lambda a, *x: explicit_attention({"scale": 1.0} | a, *x), "multi_head_attention": multi_head,
}


# ---- recurrent layers ----

def sequence_module(kind, x, weights, no_bias, bidirectional, **more):
    """One layer of PyTorch's with the weights of each direction."""
    size, ways = weights[1].shape[1], 2 if bidirectional else 1
    module = kind(x.shape[-1], size, bias=not no_bias, batch_first=True, bidirectional=bidirectional,
                  dtype=torch.float64, **more)
    each, state = len(weights) // ways, {}
    for way, end in enumerate(("", "_reverse")[:ways]):
        w = weights[way * each:(way + 1) * each]
        state |= {f"weight_ih_l0{end}": w[0], f"weight_hh_l0{end}": w[1]}
        if not no_bias:
            state |= {f"bias_ih_l0{end}": w[2], f"bias_hh_l0{end}": w[3] if each == 4 else torch.zeros_like(w[2])}
    module.load_state_dict(state)
    return module


def recurrent(kind, a, x, states, lengths, weights, **more):
    """Layer by layer, so that dropout between them is ours. `states`: hidden, or hidden and cell."""
    layers, ways, offset = a.get("layers", 1), 2 if a.get("bidirectional") else 1, a.get("offset", 0)
    each, finals = len(weights) // layers, []
    if x.shape[1] == 0:
        zeros = [torch.zeros(layers * ways, x.shape[0], weights[1].shape[1], dtype=torch.float64) for _ in states]
        return (torch.zeros(x.shape[0], 0, weights[1].shape[1] * ways), *zeros)
    for layer in range(layers):
        if layer and a.get("dropout"):
            x = x * kept(a | {"offset": offset}, x.shape)
            offset += x.numel()
        module = sequence_module(kind, x, weights[layer * each:(layer + 1) * each], a.get("no_bias", False), ways == 2,
                                 **more)
        first = [s[layer * ways:(layer + 1) * ways] if s is not None else
                 torch.zeros(ways, x.shape[0], module.hidden_size, dtype=torch.float64) for s in states]
        first = tuple(first) if len(first) > 1 else first[0]
        if lengths is None:
            y, final = module(x, first)
        else:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, True, False)
            y, final = module(packed, first)
            y = torch.nn.utils.rnn.pad_packed_sequence(y, True, 0.0, x.shape[1])[0]
        x = y
        finals.append(final if isinstance(final, tuple) else (final,))
    return (x, *[torch.cat(part) for part in zip(*finals)])


def lstm_steps(a, projected, weight, hidden, cell, lengths):
    """Written out: no peer tells its gates."""
    n, steps, size = projected.shape[0], projected.shape[1], weight.shape[1]
    y, saved = torch.zeros(n, steps, size, dtype=torch.float64), torch.zeros(n, steps, 5 * size, dtype=torch.float64)
    h, c = hidden, cell
    for t in reversed(range(steps)) if a.get("reverse") else range(steps):
        counts = torch.ones(n, 1, dtype=torch.bool) if lengths is None else (lengths > t)[:, None]
        i, f, g, o = (projected[:, t] + h @ weight.T).chunk(4, 1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c_new = f * c + i * g
        h_new = o * c_new.tanh()
        y[:, t] = torch.where(counts, h_new, 0.0)
        saved[:, t] = torch.where(counts, torch.cat([i, f, g, o, c_new], 1), 0.0)
        h, c = torch.where(counts, h_new, h), torch.where(counts, c_new, c)
    return y, torch.stack([h, c]), saved


def gru_steps(a, projected, weight, hidden, bias, lengths):
    n, steps, size = projected.shape[0], projected.shape[1], weight.shape[1]
    y, saved = torch.zeros(n, steps, size, dtype=torch.float64), torch.zeros(n, steps, 4 * size, dtype=torch.float64)
    h = hidden
    for t in reversed(range(steps)) if a.get("reverse") else range(steps):
        counts = torch.ones(n, 1, dtype=torch.bool) if lengths is None else (lengths > t)[:, None]
        (xr, xz, xn), (hr, hz, m) = projected[:, t].chunk(3, 1), F.linear(h, weight, bias).chunk(3, 1)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        new = (xn + r * m).tanh()
        h_new = (1 - z) * new + z * h
        y[:, t] = torch.where(counts, h_new, 0.0)
        saved[:, t] = torch.where(counts, torch.cat([r, z, new, m], 1), 0.0)
        h = torch.where(counts, h_new, h)
    return y, h, saved


def lstm_cell(a, x, h, c, w, u, b=None):
    return torch.lstm_cell(x, (h, c), w, u, b, None if b is None else torch.zeros_like(b))


nn = torch.nn
OPS |= {
    "lstm": lambda a, x, h, c, n, *w: recurrent(nn.LSTM, a, x, (h, c), n, w),
    "gru": lambda a, x, h, n, *w: recurrent(nn.GRU, a, x, (h,), n, w),
    "rnn": lambda a, x, h, n, *w: recurrent(nn.RNN, a, x, (h,), n, w, nonlinearity="relu" if a.get("relu") else "tanh"),
    "lstm_steps": lstm_steps, "gru_steps": gru_steps, "lstm_cell": lstm_cell,
    "gru_cell": lambda a, x, h, w, u, b=None, d=None: torch.gru_cell(x, h, w, u, b, d),
    "rnn_cell": lambda a, x, h, w, u, b=None: torch.rnn_tanh_cell(x, h, w, u, b, None if b is None else 0 * b),
}
