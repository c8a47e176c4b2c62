# SPDX-License-Identifier: Apache-2.0
"""The data of every workload, the same numbers as bench/data.h: a counter hash (splitmix64's finaliser), so that no files
travel between the programs. u(seed, shape) is uniform in [-1, 1) on a grid of 2^-23, exact in fp32."""
import numpy as np

SINE_ROWS, HIDDEN, RATE_SINE = 10, 40, 0.01
P_SINE = 1761

# name: (kind, sizes). The rows of bench/workloads.cpp that the peers run too.
WORKLOADS = {
    "sine-T5-25": ("sine", dict(tasks=25, T=5)),
    "sine-T5-256": ("sine", dict(tasks=256, T=5)),
    "sine-T5-1024": ("sine", dict(tasks=1024, T=5)),
    "sine-T16-256": ("sine", dict(tasks=256, T=16)),
    "sine-T1-1024": ("sine", dict(tasks=1024, T=1)),
    "cleaning": ("cleaning", dict(n=5000, m=500, d=784, c=10, T=100, rate=0.3)),
    "hpo-256": ("hpo", dict(tasks=256, n=500, d=20, T=100, rate=0.5)),
    "cg-1": ("implicit", dict(tasks=1, n=100_000, m=1000, d=1000, K=20)),
    "cg-256": ("implicit", dict(tasks=256, n=500, m=500, d=20, K=10)),
    "hvp-K1": ("hvp", dict(n=100_000, d=1000, K=1)),
    "hvp-K4": ("hvp", dict(n=100_000, d=1000, K=4)),
    "hvp-K8": ("hvp", dict(n=100_000, d=1000, K=8)),
}

# On a GPU: names as in bench/gpu/requests.cpp.
GPU_WORKLOADS = {
    "sine-T5-4096": ("sine", dict(tasks=4096, T=5)),
    "sine-T16-256": ("sine", dict(tasks=256, T=16)),
    "cleaning-5000x784x10-T100": ("cleaning", dict(n=5000, m=500, d=784, c=10, T=100, rate=0.3)),
    "hpo-500x20-T100-4096": ("hpo", dict(tasks=4096, n=500, d=20, T=100, rate=0.5)),
    "hvp-1000000x1000-K1": ("hvp", dict(n=1_000_000, d=1000, K=1)),
    "hvp-1000000x1000-K4": ("hvp", dict(n=1_000_000, d=1000, K=4)),
}

_f = np.float32


def u(seed, shape):
    count = int(np.prod(shape))
    out = np.empty(count, np.float32)
    start = np.uint64((seed * 0x9E3779B97F4A7C15) & (2**64 - 1))
    with np.errstate(over="ignore"):
        for a in range(0, count, 1 << 20):
            b = min(count, a + (1 << 20))
            z = np.arange(a + 1, b + 1, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95) + start
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            out[a:b] = (z >> np.uint64(40)).astype(np.float32) * _f(2.0**-23) - _f(1)
    return out.reshape(shape)


def _wave(seed, tasks):
    """y = A sin(x + shift): amplitude in [.1, 5), shift in [0, pi), x in [-5, 5); the same wave for inner and outer rows."""
    amplitude = 0.1 + 4.9 * 0.5 * (u(1, tasks).astype(np.float64) + 1)
    shift = np.pi * 0.5 * (u(2, tasks).astype(np.float64) + 1)
    x = _f(5) * u(seed, (tasks, SINE_ROWS))
    y = (amplitude[:, None] * np.sin(x.astype(np.float64) + shift[:, None])).astype(np.float32)
    return x, y


def sine(tasks, T):
    bound = np.ones(P_SINE, np.float32)  # W1 b1 W2 b2 W3 b3; PyTorch's initial bound 1 / sqrt(inputs)
    bound[80:] = _f(1 / np.sqrt(40.0))
    x, y = _wave(3, tasks)
    xo, yo = _wave(4, tasks)
    return dict(theta0=u(5, P_SINE) * bound, x=x, y=y, xo=xo, yo=yo, T=T, rate=RATE_SINE)


def _pixels(seed, shape):
    """A fifth of the entries is not zero, in (0, 1), as in images of digits."""
    return np.maximum(u(seed, shape) - _f(0.6), _f(0)) * _f(2.5)


def _classes(seed, n, c):
    return np.floor((u(seed, n) + _f(1)) * _f(c / 2)).astype(np.int32)


def cleaning(n, m, d, c, T, rate):
    return dict(X=_pixels(1, (n, d)), y=_classes(2, n, c), Xo=_pixels(3, (m, d)), yo=_classes(4, m, c), phi=u(5, n), c=c, T=T,
                rate=rate)


def hpo(tasks, n, d, T, rate):
    def rows(seed):
        X = _f(1.7320508) * u(seed, (tasks, n, d))
        y = (X[:, :, 0] + X[:, :, 1] + u(seed + 1, (tasks, n)) > 0).astype(np.float32)
        return X, y

    X, y = rows(1)
    Xo, yo = rows(3)
    return dict(X=X, y=y, Xo=Xo, yo=yo, phi=u(5, (tasks, d)) - _f(3), T=T, rate=rate)


def implicit(tasks, n, m, d, K):
    scale = _f(1) + _f(16) * (np.arange(d, dtype=np.float32) / _f(d))

    def rows(seed, n):
        return _f(1.7320508) * u(seed, (tasks, n, d)) / scale, (u(seed + 1, (tasks, n)) > 0).astype(np.float32)

    X, y = rows(1, n)
    Xo, yo = rows(3, m)
    return dict(X=X, y=y, Xo=Xo, yo=yo, theta=_f(0.05) * u(6, (tasks, d)), phi=u(5, (tasks, d)) - _f(8), K=K)


def hvp(n, d, K):
    return dict(X=_f(1.7320508) * u(1, (n, d)), y=(u(2, n) > 0).astype(np.float32), theta=_f(0.05) * u(3, d), V=u(4, (K, d)))


def make(name):
    kind, sizes = {**WORKLOADS, **GPU_WORKLOADS}[name]
    return kind, globals()[kind](**sizes)
