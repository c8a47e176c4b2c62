# SPDX-License-Identifier: Apache-2.0
"""JAX formulations of every workload. formulations(kind, data) returns {name: (function, arguments)}, the fastest one measured
first; the worker compiles, times and keeps the best. Each returns the hypergradient in the layout of bilevel.h (see flat)."""
from functools import partial

import jax
import jax.numpy as jnp
from jax import grad, jit, jvp, lax, vmap

import by_hand

# The worker asks XLA for one CPU device per thread; a shard of the tasks or rows on each is often faster than one device's thread pool.
MESH = jax.make_mesh((jax.device_count(),), ("cores",))
CORES, EVERYWHERE = jax.P("cores"), jax.P()


def block(result):
    return jax.block_until_ready(result)


def flat(kind, data, result):
    return jnp.asarray(result).reshape(-1)


# ---- Sine MAML ----


def _net(theta, x):
    W1, b1, W2, b2, W3, b3 = theta
    return jnp.tanh(jnp.tanh(x[:, None] * W1 + b1) @ W2.T + b2) @ W3 + b3


def _loss(theta, x, y):
    return 0.5 * jnp.mean((_net(theta, x) - y) ** 2)


def _meta(theta, x, y, xo, yo, T, a, unrolled):
    step = lambda theta, _: (jax.tree.map(lambda p, g: p - a * g, theta, grad(_loss)(theta, x, y)), None)
    theta, _ = lax.scan(step, theta, None, length=T, unroll=T if unrolled else 1)
    return _loss(theta, xo, yo)


def _pack(theta):
    return jnp.concatenate([p.reshape(-1) for p in theta])


def _grad_of_sum(T, a, unrolled, theta0, x, y, xo, yo):
    total = lambda theta: vmap(lambda *task: _meta(theta, *task, T, a, unrolled))(x, y, xo, yo).sum()
    return _pack(grad(total)(by_hand.split(theta0)))


def _sum_of_grad(T, a, unrolled, theta0, x, y, xo, yo):
    per_task = vmap(lambda *task: grad(_meta)(by_hand.split(theta0), *task, T, a, unrolled))(x, y, xo, yo)
    return _pack([p.sum(0) for p in per_task])


def _adjoint(T, a, theta0, x, y, xo, yo):
    """Steps and adjoint by hand, Hessian products as jvp of grad."""

    def task(x, y, xo, yo):
        g = lambda theta: grad(_loss)(theta, x, y)
        axpy = lambda p, q: jax.tree.map(lambda p, q: p - a * q, p, q)
        theta, before = lax.scan(lambda theta, _: (axpy(theta, g(theta)), theta), by_hand.split(theta0), None, length=T)
        back = lambda l, theta: (axpy(l, jvp(g, (theta,), (l,))[1]), None)
        return lax.scan(back, grad(_loss)(theta, xo, yo), before, reverse=True)[0]

    return _pack([p.sum(0) for p in vmap(task)(x, y, xo, yo)])


def _chunks(f, rows, theta0, *tasks):
    """The same over chunks of tasks whose state stays in the cache."""
    split = [t.reshape(-1, rows, t.shape[-1]) for t in tasks]
    return lax.scan(lambda total, chunk: (total + f(theta0, *chunk), None), jnp.zeros_like(theta0), split)[0]


def _sharded_sum(f, shared, count):
    """f(shared arrays..., arrays with tasks in front...) over shards of the tasks, one on each device, then the sum."""
    specs = (EVERYWHERE,) * shared + (CORES,) * count
    one = jax.shard_map(lambda *a: f(*a)[None], mesh=MESH, in_specs=specs, out_specs=CORES, check_vma=False)
    return lambda *a: one(*a).sum(0)


def _place(arguments, shared):
    return [jax.device_put(v, jax.NamedSharding(MESH, EVERYWHERE if i < shared else CORES)) for i, v in enumerate(arguments)]


def sine(data):
    T, a = data["T"], data["rate"]
    arguments = [jnp.asarray(data[k]) for k in ("theta0", "x", "y", "xo", "yo")]
    tasks = data["x"].shape[0]
    hand = lambda theta0, *t: by_hand.sine(jnp, theta0, *t, T, a)
    one_task = lambda theta0, *t: vmap(lambda *task: by_hand.sine(jnp, theta0, *(v[None] for v in task), T, a))(*t).sum(0)
    named = {
        "by hand": hand,
        "by hand, vmap": one_task,
        "grad(sum(vmap(scan)))": partial(_grad_of_sum, T, a, False),
        "grad(sum(vmap(unrolled)))": partial(_grad_of_sum, T, a, True),
        "vmap(grad(scan))": partial(_sum_of_grad, T, a, False),
        "vmap(grad(unrolled))": partial(_sum_of_grad, T, a, True),
        "vmap(scan, jvp of grad)": partial(_adjoint, T, a),
    }
    for rows in (32, 64, 128):
        if tasks > rows and tasks % rows == 0:
            for name in ("by hand", "grad(sum(vmap(scan)))", "vmap(grad(scan))"):
                named[f"{name}, chunks of {rows}"] = partial(_chunks, named[name], rows)
    all_named = {k: (jit(f), arguments) for k, f in named.items()}
    if tasks % jax.device_count() == 0:
        placed = _place(arguments, 1)
        for name, f in named.items():
            rows = int(name.split("chunks of ")[1]) if "chunks" in name else 1
            if tasks // jax.device_count() % rows == 0:
                all_named[name + ", sharded"] = (jit(_sharded_sum(f, 1, 4)), placed)
    first = ("by hand, chunks of 32, sharded", "vmap(grad(scan)), chunks of 32, sharded", "by hand", "vmap(scan, jvp of grad)",
             "vmap(grad(unrolled))")
    return {k: all_named[k] for k in (*first, *all_named) if k in all_named}


# ---- Logistic HPO ----


def _logistic(theta, X, y):
    z = X @ theta
    return jnp.mean(jax.nn.softplus(z) - y * z)


def _hpo_grad(T, a, X, y, Xo, yo, phi):
    def task(phi, X, y, Xo, yo):
        inner = lambda theta: _logistic(theta, X, y) + 0.5 * jnp.sum(jnp.exp(phi) * theta**2)
        theta, _ = lax.scan(lambda t, _: (t - a * grad(inner)(t), None), jnp.zeros_like(phi), None, length=T)
        return _logistic(theta, Xo, yo)

    return vmap(grad(task))(phi, X, y, Xo, yo)


def _hpo_scan(T, a, X, XT, y, Xo, XoT, yo, phi):
    """by_hand.hpo with scans in place of Python loops."""
    p = jnp.exp(phi)

    def step(theta, _):
        after, curvature = by_hand.hpo_step(jnp, X, XT, y, p, theta, a)
        return after, (theta, curvature)

    theta, tape = lax.scan(step, jnp.zeros_like(phi), None, length=T)

    def back(carry, kept):
        part, l = by_hand.hpo_reverse(X, XT, p, *kept, carry[0], a)
        return (l, carry[1] + part), None

    l = by_hand.hpo_outer(jnp, Xo, XoT, yo, theta)
    return lax.scan(back, (l, jnp.zeros_like(phi)), tape, reverse=True)[0][1]


def hpo(data):
    T, a = data["T"], data["rate"]
    X, y, Xo, yo, phi = (jnp.asarray(data[k]) for k in ("X", "y", "Xo", "yo", "phi"))
    XT, XoT = (jnp.array(v.swapaxes(1, 2)) for v in (X, Xo))
    each = lambda *t: lax.map(lambda task: _hpo_scan(T, a, *task), t)
    sharded = lambda f: jit(jax.shard_map(f, mesh=MESH, in_specs=CORES, out_specs=CORES, check_vma=False))
    stored = (X, XT, y, Xo, XoT, yo, phi)
    return {
        "by hand, map over tasks, sharded": (sharded(each), _place(stored, 0)),
        "by hand, scan, X and X' stored, sharded": (sharded(partial(_hpo_scan, T, a)), _place(stored, 0)),
        "by hand, vmap": (jit(vmap(partial(_hpo_scan, T, a))), stored),
        "by hand, map over tasks": (jit(each), stored),
        "by hand, scan, X and X' stored": (jit(partial(_hpo_scan, T, a)), stored),
        "by hand, scan, X stored": (jit(lambda X, y, Xo, yo, phi: _hpo_scan(
            T, a, X, X.swapaxes(1, 2), y, Xo, Xo.swapaxes(1, 2), yo, phi)), (X, y, Xo, yo, phi)),
        "by hand, scan, X' stored": (jit(lambda XT, y, XoT, yo, phi: _hpo_scan(
            T, a, XT.swapaxes(1, 2), XT, y, XoT.swapaxes(1, 2), XoT, yo, phi)), (XT, y, XoT, yo, phi)),
        "by hand, unrolled": (jit(lambda *t: by_hand.hpo(jnp, *t, T, a)), stored),
        "vmap(grad(scan))": (jit(partial(_hpo_grad, T, a)), (X, y, Xo, yo, phi)),
    }


# ---- Hyper-cleaning ----


def _cross_entropy(theta, X, y, w):
    z = X @ theta[0].T + theta[1]
    picked = jnp.take_along_axis(z, y[:, None], 1)[:, 0]
    return jnp.sum(w * (jax.nn.logsumexp(z, axis=1) - picked))


def _cleaning_grad(T, a, c, X, y, Xo, yo, phi):
    def outer(phi):
        w = jax.nn.sigmoid(phi) / phi.shape[0]
        step = lambda t, _: (jax.tree.map(lambda p, g: p - a * g, t, grad(_cross_entropy)(t, X, y, w)), None)
        theta, _ = lax.scan(step, (jnp.zeros((c, X.shape[1])), jnp.zeros(c)), None, length=T)
        return _cross_entropy(theta, Xo, yo, 1 / Xo.shape[0])

    return grad(outer)(phi)


def _cleaning_scan(T, a, X, XT, Y, Xo, Yo, phi):
    """by_hand.cleaning with scans in place of Python loops."""
    s = jax.nn.sigmoid(phi)
    w = (s / phi.shape[0])[:, None]

    def step(theta, _):
        return by_hand.cleaning_step(jnp, X, XT, Y, w, theta, a)

    theta, tape = lax.scan(step, jnp.zeros((X.shape[1], Y.shape[1])), None, length=T)

    def back(carry, p):
        part, l = by_hand.cleaning_reverse(X, XT, Y, w, p, carry[0], a)
        return (l, carry[1] + part), None

    l = by_hand.cleaning_outer(jnp, Xo, Yo, theta)
    return lax.scan(back, (l, jnp.zeros_like(phi)), tape, reverse=True)[0][1] * s * (1 - s) / phi.shape[0]


def _cleaning_rows(T, a, n, total, X, Y, Xo, Yo, phi):
    """W in rows. n: all inner rows; total: sums a gradient over the shards of the rows."""
    s = jax.nn.sigmoid(phi)
    w = (s / n)[:, None]

    def step(theta, _):
        *after, p = by_hand.cleaning_rows_step(jnp, X, Y, w, *theta, a)
        return summed(after, theta), p

    def summed(moved, start):
        return tuple(q + total(p - q) for p, q in zip(moved, start)) if total else tuple(moved)

    theta, tape = lax.scan(step, (jnp.zeros((Y.shape[1], X.shape[1])), jnp.zeros(Y.shape[1])), None, length=T)

    def back(carry, p):
        part, *before = by_hand.cleaning_rows_reverse(X, Y, w, p, *carry[0], a)
        return (summed(before, carry[0]), carry[1] + part), None

    l = by_hand.cleaning_rows_outer(jnp, Xo, Yo, *theta)
    return lax.scan(back, (l, jnp.zeros_like(phi)), tape, reverse=True)[0][1] * s * (1 - s) / n


def _sharded_rows(T, a, n):
    """Inner rows over the devices, validation rows on each."""
    f = partial(_cleaning_rows, T, a, n, lambda v: lax.psum(v, "cores"))
    specs = (CORES, CORES, EVERYWHERE, EVERYWHERE, CORES)
    return jit(jax.shard_map(f, mesh=MESH, in_specs=specs, out_specs=CORES, check_vma=False))


class _Left:
    """M @ v computed as (v' M')': the other layout of the same product."""

    def __init__(self, MT):
        self.MT, self.shape = MT, MT.shape[::-1]

    def __matmul__(self, v):
        return (v.T @ self.MT).T


def cleaning(data):
    T, a, c = data["T"], data["rate"], data["c"]
    X, y, Xo, yo, phi = (jnp.asarray(data[k]) for k in ("X", "y", "Xo", "yo", "phi"))
    one = lambda X: jnp.concatenate([X, jnp.ones((X.shape[0], 1))], 1)
    pad = lambda X: jnp.concatenate([X, jnp.ones((X.shape[0], 1)), jnp.zeros((X.shape[0], 15))], 1)
    Y, Yo = jax.nn.one_hot(y, c), jax.nn.one_hot(yo, c)
    hand = partial(_cleaning_scan, T, a)
    return {
        "grad(scan)": (jit(partial(_cleaning_grad, T, a, c)), (X, y, Xo, yo, phi)),
        "by hand, scan, W in rows": (jit(partial(_cleaning_rows, T, a, len(phi), None)), (X, Y, Xo, Yo, phi)),
        "by hand, scan, W in rows, sharded": (_sharded_rows(T, a, len(phi)), [
            *_place((X, Y), 0), *_replicate(Xo, Yo), *_place((phi,), 0)]),
        "by hand, scan": (jit(lambda X, *r: hand(X, X.T, *r)), (one(X), Y, one(Xo), Yo, phi)),
        "by hand, scan, X and X' stored": (jit(hand), (one(X), jnp.array(one(X).T), Y, one(Xo), Yo, phi)),
        "by hand, scan, X and X' stored, padded": (jit(hand), (pad(X), jnp.array(pad(X).T), Y, pad(Xo), Yo, phi)),
        "by hand, scan, (g'X)'": (jit(lambda X, *r: hand(X, _Left(X), *r)), (one(X), Y, one(Xo), Yo, phi)),
        "by hand, scan, (g'X)', padded": (jit(lambda X, *r: hand(X, _Left(X), *r)), (pad(X), Y, pad(Xo), Yo, phi)),
        "by hand, scan, (W X')', (g'X)'": (jit(lambda X, XT, *r: hand(_Left(XT), _Left(X), *r)),
                                          (one(X), jnp.array(one(X).T), Y, one(Xo), Yo, phi)),
    }


# ---- Implicit ----


def _cg_scan(K, product, right):
    step = lambda state, _: (by_hand.cg_step(product, *state), None)
    return lax.scan(step, (jnp.zeros_like(right), right, right, by_hand._dot(right, right)), None, length=K)[0][0]


def _implicit_scan(K, X, XT, Xo, XoT, yo, theta, phi):
    """by_hand.implicit with a scan in place of the Python loop."""
    p, curvature = jnp.exp(phi), by_hand.implicit_curvature(jnp, X, theta)
    product = lambda d: by_hand.implicit_product(X, XT, curvature, p, d)
    return -p * theta * _cg_scan(K, product, by_hand.hpo_outer(jnp, Xo, XoT, yo, theta))


def _implicit_blocks(K, rows, n, X, Xo, yo, theta, phi):
    """One task, X's rows over the devices, blocks of them that stay in the cache between the two products: X is read once a product."""
    p, blocks = jnp.exp(phi), X.reshape(-1, rows, X.shape[1])
    s = jax.nn.sigmoid(X @ theta)
    curvature = (s * (1 - s) / n).reshape(-1, rows)

    def product(d):
        part = lambda total, block: (total + (block[1] * (block[0] @ d)) @ block[0], None)
        zero = lax.pcast(jnp.zeros_like(d), "cores", to="varying")
        return lax.psum(lax.scan(part, zero, (blocks, curvature))[0], "cores") + p * d

    right = ((jax.nn.sigmoid(Xo @ theta) - yo) / Xo.shape[0]) @ Xo
    return -p * theta * _cg_scan(K, product, right)


def _implicit_grad(K, X, y, Xo, yo, theta, phi):
    """As users write it: jax.scipy's CG on the jvp of the gradient."""
    inner = lambda theta, phi: _logistic(theta, X, y) + 0.5 * jnp.sum(jnp.exp(phi) * theta**2)
    product = lambda v: jvp(lambda t: grad(inner)(t, phi), (theta,), (v,))[1]
    v = jax.scipy.sparse.linalg.cg(product, grad(_logistic)(theta, Xo, yo), tol=0, maxiter=K)[0]
    return -jax.vjp(lambda phi: grad(inner)(theta, phi), phi)[1](v)[0]


def implicit(data):
    K = data["K"]
    X, y, Xo, yo, theta, phi = (jnp.asarray(data[k]) for k in ("X", "y", "Xo", "yo", "theta", "phi"))
    tasks, n = X.shape[:2]
    as_written = vmap(partial(_implicit_grad, K))
    if tasks == 1:
        named = {}
        for rows in (200, 500):
            f = partial(_implicit_blocks, K, rows, n)
            specs = (CORES, *(EVERYWHERE,) * 4)
            placed = (jax.device_put(X[0], jax.NamedSharding(MESH, CORES)), *_replicate(Xo[0], yo[0], theta[0], phi[0]))
            named[f"by hand, blocks of {rows} rows, sharded"] = (
                jit(jax.shard_map(f, mesh=MESH, in_specs=specs, out_specs=EVERYWHERE, check_vma=False)), placed)
        view = lambda X, Xo, *r: _implicit_scan(K, X, X.swapaxes(1, 2), Xo, Xo.swapaxes(1, 2), *r)
        named["by hand, scan"] = (jit(view), (X, Xo, yo, theta, phi))
        named["vmap(cg, jvp of grad)"] = (jit(as_written), (X, y, Xo, yo, theta, phi))
        return named
    XT, XoT = (jnp.array(v.swapaxes(1, 2)) for v in (X, Xo))
    stored = (X, XT, Xo, XoT, yo, theta, phi)
    sharded = lambda f: jit(jax.shard_map(f, mesh=MESH, in_specs=CORES, out_specs=CORES, check_vma=False))
    each = lambda *t: lax.map(lambda task: _implicit_scan(K, *task), t)
    return {
        "by hand, map over tasks, sharded": (sharded(each), _place(stored, 0)),
        "by hand, scan, X and X' stored, sharded": (sharded(partial(_implicit_scan, K)), _place(stored, 0)),
        "by hand, scan, X and X' stored": (jit(partial(_implicit_scan, K)), stored),
        "vmap(cg, jvp of grad), sharded": (sharded(as_written), _place((X, y, Xo, yo, theta, phi), 0)),
        "vmap(cg, jvp of grad)": (jit(as_written), (X, y, Xo, yo, theta, phi)),
    }


# ---- HVP ----


def _hvp_blocks(rows, X, theta, V):
    part = lambda total, B: (total + by_hand.hvp_joint(jnp, B, theta, V) * (rows / X.shape[0]), None)
    return lax.scan(part, jnp.zeros_like(V), X.reshape(-1, rows, X.shape[1]))[0]


def _hvp_sharded(rows, n):
    """X's rows over the devices, blocks of them that stay in the cache between the two products."""

    def part(X, theta, V):
        return lax.psum(_hvp_blocks(rows, X, theta, V) * (X.shape[0] / n), "cores")

    return jax.shard_map(part, mesh=MESH, in_specs=(CORES, EVERYWHERE, EVERYWHERE), out_specs=EVERYWHERE, check_vma=False)


def hvp(data):
    X, theta, V = (jnp.asarray(data[k]) for k in ("X", "theta", "V"))
    y = jnp.asarray(data["y"])
    g = lambda X, theta: grad(_logistic)(theta, X, y)
    of_grad = lambda X, theta, V: vmap(lambda v: jvp(partial(g, X), (theta,), (v,))[1])(V)
    named = {
        **{f"blocks of {rows} rows, sharded": _hvp_sharded(rows, X.shape[0]) for rows in (200, 500)},
        "two products, sharded": _hvp_sharded(X.shape[0] // jax.device_count(), X.shape[0]),
        "three products": lambda X, theta, V: by_hand.hvp_separate(jnp, X, theta, V),
        "two products, [theta v] joint": lambda X, theta, V: by_hand.hvp_joint(jnp, X, theta, V),
        "jvp of grad": of_grad,
        "jvp of grad, K = 1 not vmapped": lambda X, theta, V: jvp(partial(g, X), (theta,), (V[0],))[1],
        "blocks of 500 rows": partial(_hvp_blocks, 500),
        "blocks of 2000 rows": partial(_hvp_blocks, 2000),
    }
    if V.shape[0] > 1:
        del named["jvp of grad, K = 1 not vmapped"]
    placed = (jax.device_put(X, jax.NamedSharding(MESH, CORES)), *_replicate(theta, V))
    return {k: (jit(f), placed if "sharded" in k else (X, theta, V)) for k, f in named.items()}


def _replicate(*arrays):
    return [jax.device_put(v, jax.NamedSharding(MESH, EVERYWHERE)) for v in arrays]


def formulations(kind, data):
    return globals()[kind](data)
