# SPDX-License-Identifier: Apache-2.0
"""Hypergradients written by hand over an array module xp (jax.numpy or torch): value passes that keep their intermediates, and
tangent passes that read them back. This is what a patient user of a peer would write, and for several workloads the peer's
fastest formulation. Notation: l is the adjoint dL_out/dtheta_t, a the rate, a trailing _ marks a tangent in direction l."""


def _mT(a):
    return a.swapaxes(-1, -2)


def _sigmoid(xp, z):
    return 1 / (1 + xp.exp(-z))


# ---- Sine MAML: tasks in front, theta = (W1 [B,h], b1 [B,h], W2 [B,h,h], b2 [B,h], W3 [B,h], b3 [B]) ----


def split(theta):
    return (theta[:40], theta[40:80], theta[80:1680].reshape(40, 40), theta[1680:1720], theta[1720:1760], theta[1760])


def sine_value(xp, theta, x, y):
    W1, b1, W2, b2, W3, b3 = theta
    h1 = xp.tanh(x[..., None] * W1[..., None, :] + b1[..., None, :])
    h2 = xp.tanh(h1 @ _mT(W2) + b2[..., None, :])
    r = ((h2 * W3[..., None, :]).sum(-1) + b3[..., None] - y) / x.shape[-1]
    q2 = r[..., None] * W3[..., None, :]
    d2 = q2 * (1 - h2 * h2)
    e1 = d2 @ W2
    d1 = e1 * (1 - h1 * h1)
    g = ((d1 * x[..., None]).sum(-2), d1.sum(-2), _mT(d2) @ h1, d2.sum(-2), (r[..., None] * h2).sum(-2), r.sum(-1))
    return g, (h1, h2, r, q2, d2, e1)


def sine_tangent(xp, theta, x, tape, l):
    _, _, W2, _, W3, _ = theta
    V1, c1, V2, c2, V3, c3 = l
    h1, h2, r, q2, d2, e1 = tape
    s1, s2 = 1 - h1 * h1, 1 - h2 * h2
    h1_ = s1 * (x[..., None] * V1[..., None, :] + c1[..., None, :])
    h2_ = s2 * (h1_ @ _mT(W2) + h1 @ _mT(V2) + c2[..., None, :])
    r_ = ((h2_ * W3[..., None, :] + h2 * V3[..., None, :]).sum(-1) + c3[..., None]) / x.shape[-1]
    q2_ = r_[..., None] * W3[..., None, :] + r[..., None] * V3[..., None, :]
    d2_ = q2_ * s2 - 2 * q2 * h2 * h2_
    e1_ = d2_ @ W2 + d2 @ V2
    d1_ = e1_ * s1 - 2 * e1 * h1 * h1_
    return ((d1_ * x[..., None]).sum(-2), d1_.sum(-2), _mT(d2_) @ h1 + _mT(d2) @ h1_, d2_.sum(-2),
            (r_[..., None] * h2 + r[..., None] * h2_).sum(-2), r_.sum(-1))


def sine(xp, theta0, x, y, xo, yo, T, a):
    """Sum over tasks of dL_out(theta_T)/dtheta_0; theta0 [P] is shared. Returns [P]."""
    theta = tuple(p[None] for p in split(theta0))
    tape = []
    for _ in range(T):
        g, kept = sine_value(xp, theta, x, y)
        tape.append((theta, kept))
        theta = tuple(p - a * q for p, q in zip(theta, g))
    l, _ = sine_value(xp, theta, xo, yo)
    for theta, kept in reversed(tape):
        h = sine_tangent(xp, theta, x, kept, l)
        l = tuple(p - a * q for p, q in zip(l, h))
    l = tuple(p.sum(0) for p in l)
    cat = xp.concatenate if hasattr(xp, "concatenate") else xp.cat
    return cat([p.reshape(-1) for p in l])


# ---- Logistic HPO: tasks in front, theta [B,d], penalty exp(phi) [B,d]. XT is X transposed (a view, or a copy) ----


def hpo_step(xp, X, XT, y, p, theta, a):
    s = _sigmoid(xp, (X @ theta[..., None])[..., 0])
    return theta - a * ((XT @ ((s - y) / y.shape[-1])[..., None])[..., 0] + p * theta), s * (1 - s) / y.shape[-1]


def hpo_reverse(X, XT, p, theta, curvature, l, a):
    """Adjoint of a step: (dL/dphi of this step, l before it)."""
    h = (XT @ (curvature * (X @ l[..., None])[..., 0])[..., None])[..., 0]
    return -a * l * p * theta, l - a * (h + p * l)


def hpo_outer(xp, Xo, XoT, yo, theta):
    s = _sigmoid(xp, (Xo @ theta[..., None])[..., 0])
    return (XoT @ ((s - yo) / yo.shape[-1])[..., None])[..., 0]


def hpo(xp, X, XT, y, Xo, XoT, yo, phi, T, a):
    p, theta = xp.exp(phi), xp.zeros_like(phi)
    tape = []
    for _ in range(T):
        before = theta
        theta, curvature = hpo_step(xp, X, XT, y, p, theta, a)
        tape.append((before, curvature))
    l, g = hpo_outer(xp, Xo, XoT, yo, theta), xp.zeros_like(phi)
    for theta, curvature in reversed(tape):
        part, l = hpo_reverse(X, XT, p, theta, curvature, l, a)
        g = g + part
    return g


# ---- Implicit: the hypergradient at theta [B,d] by K iterations of CG on (H + diag p) v = dL_out/dtheta, p = exp(phi) ----


def implicit_curvature(xp, X, theta):
    s = _sigmoid(xp, (X @ theta[..., None])[..., 0])
    return s * (1 - s) / X.shape[-2]


def implicit_product(X, XT, curvature, p, v):
    return (XT @ (curvature * (X @ v[..., None])[..., 0])[..., None])[..., 0] + p * v


def _dot(a, b):
    return (a * b).sum(-1)[..., None]


def cg_step(product, v, r, d, rr):
    """One iteration of Hestenes and Stiefel's, of all tasks."""
    q = product(d)
    alpha = rr / _dot(d, q)
    v, r = v + alpha * d, r - alpha * q
    next_rr = _dot(r, r)
    return v, r, r + next_rr / rr * d, next_rr


def implicit(xp, X, XT, Xo, XoT, yo, theta, phi, K):
    p = xp.exp(phi)
    curvature = implicit_curvature(xp, X, theta)
    r = hpo_outer(xp, Xo, XoT, yo, theta)
    v, d, rr = xp.zeros_like(r), r, _dot(r, r)
    for _ in range(K):
        v, r, d, rr = cg_step(lambda d: implicit_product(X, XT, curvature, p, d), v, r, d, rr)
    return -p * theta * v


# ---- Hyper-cleaning: X [n,d+1] with a column of ones, theta [d+1,c], Y one-hot, w = sigmoid(phi)/n ----


def _softmax(xp, z):
    e = xp.exp(z - xp.amax(z, -1)[..., None])
    return e / e.sum(-1)[..., None]


def cleaning_step(xp, X, XT, Y, w, theta, a):
    p = _softmax(xp, X @ theta)
    return theta - a * (XT @ (w * (p - Y))), p


def cleaning_reverse(X, XT, Y, w, p, l, a):
    """Adjoint of a step: (dL/dw of this step, l before it)."""
    z_ = X @ l
    part = -a * ((p - Y) * z_).sum(-1)
    pz = p * z_
    return part, l - a * (XT @ (w * (pz - p * pz.sum(-1)[:, None])))


def cleaning_outer(xp, Xo, Yo, theta):
    return _mT(Xo) @ ((_softmax(xp, Xo @ theta) - Yo) / Xo.shape[0])


def cleaning(xp, X, XT, Y, Xo, Yo, phi, T, a):
    s = _sigmoid(xp, phi)
    w = (s / phi.shape[0])[:, None]
    theta = xp.zeros_like(X[:1].T @ Y[:1])
    tape = []
    for _ in range(T):
        theta, p = cleaning_step(xp, X, XT, Y, w, theta, a)
        tape.append(p)
    l, g = cleaning_outer(xp, Xo, Yo, theta), xp.zeros_like(phi)
    for p in reversed(tape):
        part, l = cleaning_reverse(X, XT, Y, w, p, l, a)
        g = g + part
    return g * s * (1 - s) / phi.shape[0]


# The same with theta = (W [c,d], b [c]) and X as it is: products (n x d)(d x c) and (c x n)(n x d).


def cleaning_rows_step(xp, X, Y, w, W, b, a):
    p = _softmax(xp, X @ W.T + b)
    delta = w * (p - Y)
    return W - a * (delta.T @ X), b - a * delta.sum(0), p


def cleaning_rows_reverse(X, Y, w, p, V, c, a):
    z_ = X @ V.T + c
    part = -a * ((p - Y) * z_).sum(-1)
    pz = p * z_
    delta = w * (pz - p * pz.sum(-1)[:, None])
    return part, V - a * (delta.T @ X), c - a * delta.sum(0)


def cleaning_rows_outer(xp, Xo, Yo, W, b):
    delta = (_softmax(xp, Xo @ W.T + b) - Yo) / Xo.shape[0]
    return delta.T @ Xo, delta.sum(0)


# ---- HVP of the mean logistic loss, no bias: H V for V [K,d], X read twice ----


def hvp_separate(xp, X, theta, V):
    """Three products: X theta, X V', and the sum over rows."""
    s = _sigmoid(xp, X @ theta)
    return ((s * (1 - s) / X.shape[0])[:, None] * (X @ V.T)).T @ X


def hvp_joint(xp, X, theta, V):
    """X is read once for [theta, V], then once for the sum over rows."""
    cat = xp.concatenate if hasattr(xp, "concatenate") else xp.cat
    Z = X @ cat([theta[None], V]).T
    s = _sigmoid(xp, Z[:, 0])
    return ((s * (1 - s) / X.shape[0])[:, None] * Z[:, 1:]).T @ X


def hvp_blocks(xp, X, theta, V, rows):
    """Blocks of rows that stay in the cache between the two products: X comes from memory once."""
    total = 0
    for i in range(0, X.shape[0], rows):
        total = total + hvp_joint(xp, X[i:i + rows], theta, V) * (min(rows, X.shape[0] - i) / X.shape[0])
    return total
