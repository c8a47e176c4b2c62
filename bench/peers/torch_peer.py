# SPDX-License-Identifier: Apache-2.0
"""PyTorch formulations of every workload, as jax_peer.py: formulations(kind, data) returns {name: (function, arguments)}."""
from functools import partial

import torch
import torch.nn.functional as F
from torch.func import grad, jvp, vmap

import by_hand

compiled = partial(torch.compile, fullgraph=True, dynamic=False)


def _tensor(array):
    """On the device that the worker has made the default."""
    return torch.from_numpy(array).to(torch.get_default_device())


def block(result):
    if result.is_cuda:
        torch.cuda.synchronize()
    return result


def flat(kind, data, result):
    return result.detach().reshape(-1).cpu().numpy()


def graphed(function):
    """The whole call captured as a CUDA graph when it is first called, and replayed from then on. Its arguments stay the same."""
    kept = []

    def run(*arguments):
        if not kept:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    function(*arguments)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                result = function(*arguments)
            kept[:] = graph, result
        kept[0].replay()
        return kept[1]

    return run


def _eager(f):
    def run(*arguments):
        with torch.inference_mode():
            return f(*arguments)

    return run


# ---- Sine MAML ----


def _loss(theta, x, y):
    W1, b1, W2, b2, W3, b3 = theta
    o = torch.tanh(torch.tanh(x[:, None] * W1 + b1) @ W2.T + b2) @ W3 + b3
    return 0.5 * ((o - y) ** 2).mean()


def _meta(theta, x, y, xo, yo, T, a):
    for _ in range(T):
        theta = tuple(p - a * g for p, g in zip(theta, grad(_loss)(theta, x, y)))
    return _loss(theta, xo, yo)


def _pack(theta):
    return torch.cat([p.reshape(-1) for p in theta])


def _sum_of_grad(T, a, theta0, x, y, xo, yo):
    """torch.func: vmap(grad) over tasks, then the sum."""
    per_task = vmap(lambda *task: grad(_meta)(by_hand.split(theta0), *task, T, a))(x, y, xo, yo)
    return _pack([p.sum(0) for p in per_task])


def _grad_of_sum(T, a, theta0, x, y, xo, yo):
    total = lambda theta: vmap(lambda *task: _meta(theta, *task, T, a))(x, y, xo, yo).sum()
    return _pack(grad(total)(by_hand.split(theta0)))


def _chunks(f, rows, theta0, *tasks):
    return sum(f(theta0, *(t[i:i + rows] for t in tasks)) for i in range(0, tasks[0].shape[0], rows))


def sine(data):
    T, a = data["T"], data["rate"]
    arguments = [_tensor(data[k]) for k in ("theta0", "x", "y", "xo", "yo")]
    tasks = data["x"].shape[0]
    hand = lambda theta0, *t: by_hand.sine(torch, theta0, *t, T, a)
    named = {
        "compile(by hand)": _eager(compiled(hand)),
        "compile(by hand), C++ wrapper": _eager(compiled(hand, options={"cpp_wrapper": True})),
        "compile(vmap(grad))": compiled(partial(_sum_of_grad, T, a)),
        "by hand, eager": _eager(hand),
        "compile(grad(sum(vmap)))": compiled(partial(_grad_of_sum, T, a)),
        "torch.func, eager": partial(_sum_of_grad, T, a),
    }
    chunked = {}
    for rows in (256, 64):
        if tasks > rows and tasks % rows == 0:
            for name in ("compile(by hand)", "compile(vmap(grad))"):
                chunked[f"{name}, chunks of {rows}"] = partial(_chunks, named[name], rows)
    named = {**{k: f for k, f in chunked.items() if "256" in k}, **named, **chunked}
    return {k: (f, arguments) for k, f in named.items()}


# ---- Logistic HPO ----


def _logistic(theta, X, y):
    z = X @ theta
    return (F.softplus(z) - y * z).mean()


def _hpo_autograd(T, a, X, y, Xo, yo, phi):
    """Double backward through the unroll, gradients of the inner loss by autograd."""
    phi = phi.detach().requires_grad_()
    p, theta = phi.exp(), torch.zeros_like(phi).requires_grad_()
    batched = lambda theta, X, y: ((F.softplus(z := (X @ theta[..., None])[..., 0]) - y * z).mean(-1)).sum()
    for _ in range(T):
        inner = batched(theta, X, y) + 0.5 * (p * theta**2).sum()
        theta = theta - a * torch.autograd.grad(inner, theta, create_graph=True)[0]
    return torch.autograd.grad(batched(theta, Xo, yo), phi)[0]


BLOCK = 10  # steps in one compiled graph: 100 take minutes to compile, one pays a Python call per step


def _steps(X, XT, y, p, theta, a):
    befores, curvatures = [], []
    for _ in range(BLOCK):
        befores.append(theta)
        theta, curvature = by_hand.hpo_step(torch, X, XT, y, p, theta, a)
        curvatures.append(curvature)
    return theta, befores, curvatures


def _steps_back(X, XT, p, befores, curvatures, l, g, a):
    for theta, curvature in zip(reversed(befores), reversed(curvatures)):
        part, l = by_hand.hpo_reverse(X, XT, p, theta, curvature, l, a)
        g = g + part
    return l, g


def _compiled_hpo(T, a):
    """by_hand.hpo in compiled blocks of steps."""
    step, back = compiled(_steps), compiled(_steps_back)

    def run(X, XT, y, Xo, XoT, yo, phi):
        p, theta, tape = phi.exp(), torch.zeros_like(phi), []
        for _ in range(T // BLOCK):
            theta, *kept = step(X, XT, y, p, theta, a)
            tape.append(kept)
        l, g = by_hand.hpo_outer(torch, Xo, XoT, yo, theta), torch.zeros_like(phi)
        for befores, curvatures in reversed(tape):
            l, g = back(X, XT, p, befores, curvatures, l, g, a)
        return g

    return _eager(run)


def hpo(data):
    T, a = data["T"], data["rate"]
    X, y, Xo, yo, phi = (_tensor(data[k]) for k in ("X", "y", "Xo", "yo", "phi"))
    XT, XoT = (v.transpose(1, 2).contiguous() for v in (X, Xo))
    hand = _eager(lambda *t: by_hand.hpo(torch, *t, T, a))
    stored, view = (X, XT, y, Xo, XoT, yo, phi), (X, X.mT, y, Xo, Xo.mT, yo, phi)
    transposed = (XT.mT, XT, y, XoT.mT, XoT, yo, phi)
    return {
        "compile(by hand, 10 steps), X' stored": (_compiled_hpo(T, a), transposed),
        "compile(by hand, 10 steps), X stored": (_compiled_hpo(T, a), view),
        "compile(by hand, 10 steps), X and X' stored": (_compiled_hpo(T, a), stored),
        "by hand, eager": (hand, view),
        "by hand, eager, X and X' stored": (hand, stored),
        "autograd, eager": (partial(_hpo_autograd, T, a), (X, y, Xo, yo, phi)),
    }


# ---- Hyper-cleaning ----

_rows_step, _rows_back = partial(by_hand.cleaning_rows_step, torch), by_hand.cleaning_rows_reverse
_clean_step = compiled(partial(by_hand.cleaning_step, torch))
_clean_back = compiled(by_hand.cleaning_reverse)


def _cleaning_steps(T, a, X, XT, Y, Xo, Yo, phi):
    s = torch.sigmoid(phi)
    w, theta, tape = (s / len(phi))[:, None], torch.zeros(X.shape[1], Y.shape[1]), []
    for _ in range(T):
        theta, p = _clean_step(X, XT, Y, w, theta, a)
        tape.append(p)
    l, g = by_hand.cleaning_outer(torch, Xo, Yo, theta), torch.zeros_like(phi)
    for p in reversed(tape):
        part, l = _clean_back(X, XT, Y, w, p, l, a)
        g += part
    return g * s * (1 - s) / len(phi)


def _cleaning_rows(T, a, step, back, X, Y, Xo, Yo, phi):
    """theta = (W, b), X as it is; step and back eager or compiled."""
    s = torch.sigmoid(phi)
    w, W, b, tape = (s / len(phi))[:, None], torch.zeros(Y.shape[1], X.shape[1]), torch.zeros(Y.shape[1]), []
    for _ in range(T):
        W, b, p = step(X, Y, w, W, b, a)
        tape.append(p)
    (V, c), g = by_hand.cleaning_rows_outer(torch, Xo, Yo, W, b), torch.zeros_like(phi)
    for p in reversed(tape):
        part, V, c = back(X, Y, w, p, V, c, a)
        g += part
    return g * s * (1 - s) / len(phi)


def _cleaning_autograd(T, a, c, X, y, Xo, yo, phi):
    phi = phi.detach().requires_grad_()
    w = torch.sigmoid(phi) / len(phi)
    W, b = torch.zeros(c, X.shape[1], requires_grad=True), torch.zeros(c, requires_grad=True)
    for _ in range(T):
        inner = (w * F.cross_entropy(X @ W.T + b, y, reduction="none")).sum()
        gW, gb = torch.autograd.grad(inner, (W, b), create_graph=True)
        W, b = W - a * gW, b - a * gb
    return torch.autograd.grad(F.cross_entropy(Xo @ W.T + b, yo), phi)[0]


def cleaning(data):
    T, a, c = data["T"], data["rate"], data["c"]
    X, Xo, phi = (_tensor(data[k]) for k in ("X", "Xo", "phi"))
    y, yo = (_tensor(data[k]).long() for k in ("y", "yo"))
    one = lambda X: torch.cat([X, torch.ones(len(X), 1)], 1)
    pad = lambda X: torch.cat([X, torch.ones(len(X), 1), torch.zeros(len(X), 15)], 1)
    Y, Yo = F.one_hot(y, c).float(), F.one_hot(yo, c).float()
    hand = lambda *t: by_hand.cleaning(torch, *t, T, a)
    view = lambda X: (X, X.T)
    copy = lambda X: (X, X.T.contiguous())
    return {
        "autograd, eager": (partial(_cleaning_autograd, T, a, c), (X, y, Xo, yo, phi)),
        "by hand, eager, W in rows": (_eager(partial(_cleaning_rows, T, a, _rows_step, _rows_back)), (X, Y, Xo, Yo, phi)),
        "compiled steps, W in rows": (_eager(partial(_cleaning_rows, T, a, compiled(_rows_step), compiled(_rows_back))),
                                      (X, Y, Xo, Yo, phi)),
        "by hand, eager": (_eager(hand), (*view(one(X)), Y, one(Xo), Yo, phi)),
        "by hand, eager, padded": (_eager(hand), (*view(pad(X)), Y, pad(Xo), Yo, phi)),
        "by hand, eager, X and X' stored": (_eager(hand), (*copy(one(X)), Y, one(Xo), Yo, phi)),
        "compiled steps": (_eager(partial(_cleaning_steps, T, a)), (*view(one(X)), Y, one(Xo), Yo, phi)),
        "compiled steps, padded": (_eager(partial(_cleaning_steps, T, a)), (*view(pad(X)), Y, pad(Xo), Yo, phi)),
        "compiled steps, X and X' stored": (_eager(partial(_cleaning_steps, T, a)), (*copy(one(X)), Y, one(Xo), Yo, phi)),
    }


# ---- HVP ----


def implicit(data):
    K = data["K"]
    X, Xo, yo, theta, phi = (_tensor(data[k]) for k in ("X", "Xo", "yo", "theta", "phi"))
    view = lambda X, Xo, *r: by_hand.implicit(torch, X, X.transpose(1, 2), Xo, Xo.transpose(1, 2), *r, K)
    stored = (X, X.transpose(1, 2).contiguous(), Xo, Xo.transpose(1, 2).contiguous(), yo, theta, phi)
    hand = lambda *t: by_hand.implicit(torch, *t, K)
    return {
        "compile(by hand)": (_eager(compiled(view)), (X, Xo, yo, theta, phi)),
        "by hand": (_eager(view), (X, Xo, yo, theta, phi)),
        "by hand, X and X' stored": (_eager(hand), stored),
    }


def hvp(data):
    X, theta, V, y = (_tensor(data[k]) for k in ("X", "theta", "V", "y"))
    g = lambda theta: grad(_logistic)(theta, X, y)
    of_grad = lambda X, theta, V: vmap(lambda v: jvp(g, (theta,), (v,))[1])(V)
    separate = lambda *t: by_hand.hvp_separate(torch, *t)
    joint = lambda *t: by_hand.hvp_joint(torch, *t)
    named = {
        "compile(two products)": _eager(compiled(joint)),
        "compile(three products)": _eager(compiled(separate)),
        "two products, [theta v] joint": _eager(joint),
        "three products": _eager(separate),
        "jvp of grad": of_grad,
    }
    for rows in (250, 500, 1000):
        named[f"blocks of {rows} rows"] = _eager(lambda *t, rows=rows: by_hand.hvp_blocks(torch, *t, rows))
    return {k: (f, (X, theta, V)) for k, f in named.items()}


def formulations(kind, data):
    named = globals()[kind](data)
    if torch.get_default_device().type != "cuda":
        return named
    both = {}  # a formulation is one entry after the other, with a graph and without
    for label, (function, arguments) in named.items():
        both[label + ", CUDA graph"] = (graphed(function), arguments)
        both[label] = (function, arguments)
    return both
