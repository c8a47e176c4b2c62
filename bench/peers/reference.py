# SPDX-License-Identifier: Apache-2.0
"""fp64 references: reference.py NAME FILE writes the workload's hypergradient as raw fp64. Losses are written out and differentiated by
PyTorch's autograd, twice where there are inner steps; nothing is shared with the formulations that are timed but the data."""
import sys

import numpy as np
import torch
from torch.autograd import grad

import data


def _unroll(inner, outer, theta, T, a, wanted):
    for _ in range(T):
        theta = theta - a * grad(inner(theta), theta, create_graph=True)[0]
    return grad(outer(theta), wanted)[0]


def sine(x, y, xo, yo, theta0, T, rate):
    start = theta0.clone().requires_grad_()

    def loss(theta, x, y):
        W1, b1, W2, b2, W3, b3 = theta.split([40, 40, 1600, 40, 40, 1], dim=1)
        h = torch.tanh(torch.einsum("bn,bk->bnk", x, W1) + b1[:, None])
        h = torch.tanh(torch.einsum("bnj,bkj->bnk", h, W2.reshape(-1, 40, 40)) + b2[:, None])
        o = torch.einsum("bnk,bk->bn", h, W3) + b3
        return 0.5 * ((o - y) ** 2).mean(1).sum()

    return _unroll(lambda t: loss(t, x, y), lambda t: loss(t, xo, yo), start.expand(len(x), -1), T, rate, start)


def hpo(X, y, Xo, yo, phi, T, rate):
    phi.requires_grad_()

    def loss(theta, X, y):
        z = torch.einsum("bnd,bd->bn", X, theta)
        return (torch.logaddexp(z, torch.zeros(())) - y * z).mean(1).sum()

    inner = lambda theta: loss(theta, X, y) + 0.5 * (phi.exp() * theta**2).sum()
    return _unroll(inner, lambda theta: loss(theta, Xo, yo), torch.zeros_like(phi).requires_grad_(), T, rate, phi)


def cleaning(X, y, Xo, yo, phi, c, T, rate):
    phi.requires_grad_()
    d = X.shape[1]

    def losses(theta, X, y):
        z = X @ theta[:c * d].reshape(c, d).T + theta[c * d:]
        return torch.logsumexp(z, 1) - z[torch.arange(len(y)), y.long()]

    inner = lambda theta: (torch.sigmoid(phi) * losses(theta, X, y)).mean()
    start = torch.zeros(c * (d + 1), dtype=torch.float64).requires_grad_()
    return _unroll(inner, lambda theta: losses(theta, Xo, yo).mean(), start, T, rate, phi)


def implicit(X, y, Xo, yo, theta, phi, K):
    """The iterates of CG on a dense Hessian, which is made from blocks of rows."""
    results = []
    for t in range(len(X)):
        start, p = theta[t].double().requires_grad_(), phi[t].double().exp()
        z = Xo[t].double() @ start
        right = grad((torch.logaddexp(z, torch.zeros(())) - yo[t] * z).mean(), start)[0]
        H = torch.diag(p)
        for i in range(0, X.shape[1], 10_000):
            rows = X[t, i:i + 10_000].double()
            s = torch.sigmoid(rows @ start.detach())
            H += rows.T @ ((s * (1 - s))[:, None] * rows) / X.shape[1]
        v, r = torch.zeros_like(right), right
        d, rr = r, r @ r
        for _ in range(K):
            q = H @ d
            alpha = rr / (d @ q)
            v, r = v + alpha * d, r - alpha * q
            d, rr = r + (r @ r) / rr * d, r @ r
        results.append(-p * start.detach() * v)
    return torch.stack(results)


def hvp(X, y, theta, V):
    total = torch.zeros_like(V, dtype=torch.float64)
    theta, V = theta.double().requires_grad_(), V.double()
    for i in range(0, len(X), 10_000):  # 800 MB at once would be too much beside the other programs
        z = X[i:i + 10_000].double() @ theta
        loss = (torch.logaddexp(z, torch.zeros((), dtype=torch.float64)) - y[i:i + 10_000] * z).sum() / len(X)
        g = grad(loss, theta, create_graph=True)[0]
        for k, v in enumerate(V):
            total[k] += grad(g, theta, v, retain_graph=True)[0]
    return total


def main():
    name, path = sys.argv[1:]
    kind, arrays = data.make(name)
    wide = torch.float32 if kind in ("hvp", "implicit") else torch.float64
    torch.set_default_dtype(torch.float64)
    convert = lambda v: torch.from_numpy(v).to(wide) if getattr(v, "dtype", None) == np.float32 else (
        torch.from_numpy(v) if isinstance(v, np.ndarray) else v)
    globals()[kind](**{k: convert(v) for k, v in arrays.items()}).detach().numpy().astype(np.float64).tofile(path)


if __name__ == "__main__":
    main()
