# SPDX-License-Identifier: Apache-2.0
"""Softmax and its family, losses, attention and recurrent layers, as PyTorch says them."""
import torch
import torch.nn.functional as F


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
