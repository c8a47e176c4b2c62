# SPDX-License-Identifier: Apache-2.0
"""One peer as a persistent process that the driver asks for timed blocks, so that rounds alternate between programs.

    worker.py jax|torch [--threads N] [--all] [--device cpu|gpu]
Lines on stdin: `setup NAME`, `run SECONDS`, `dump FILE`, `quit`; one JSON line on stdout answers each. setup compiles and times the
formulations (with --all every one of them, else the first KEEP) and keeps the one with the least time."""
import argparse
import gc
import json
import os
import sys
import time

KEEP = {"cpu": 4, "gpu": 8}


def block_of(call, seconds):
    """Milliseconds of each repetition: at least `seconds` and 3 repetitions, after one that does not count."""
    call()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return times


class Worker:
    def __init__(self, peer, keep, screen_all):
        self.peer, self.keep, self.screen_all = peer, keep, screen_all
        self.call = self.result = None

    def setup(self, name):
        import data
        self.call = self.result = self.function = None
        gc.collect()
        self.kind, self.data = data.make(name)
        tried, best = {}, None
        options = self.peer.formulations(self.kind, self.data)
        for label in list(options)[:None if self.screen_all else self.keep]:
            function, arguments = options[label]
            call = lambda function=function, arguments=arguments: self.peer.block(function(*arguments))
            try:
                start = time.perf_counter()
                call()
                first = 1e3 * (time.perf_counter() - start)
                if self.screen_all:
                    print(f"  {label}: first {first:.0f} ms", file=sys.stderr, flush=True)
                tried[label] = dict(first_ms=first, ms=min(block_of(call, 0.3)))
            except Exception as error:  # a peer that cannot compile a formulation is a finding, not a reason to stop
                tried[label] = dict(error=f"{type(error).__name__}: {str(error)[:200]}")
                continue
            if self.screen_all:
                print(f"  {label}: {tried[label]['ms']:.3f} ms", file=sys.stderr, flush=True)
            if best is None or tried[label]["ms"] < tried[best]["ms"]:
                best, self.call = label, call
        return dict(best=best, tried=tried)

    def run(self, seconds):
        return dict(ms=block_of(self.call, float(seconds)))

    def dump(self, path):
        import numpy as np
        np.asarray(self.peer.flat(self.kind, self.data, self.call()), np.float32).tofile(path)
        return {}


def load(name, threads, device):
    """On a GPU all products are in full fp32, as ours are, and memory is taken as it is needed: other programs use the same GPU."""
    if name == "jax" and device == "gpu":
        os.environ["JAX_PLATFORMS"] = "cuda"
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        import jax
        jax.config.update("jax_default_matmul_precision", "highest")
        import jax_peer as peer
    elif name == "jax":
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={threads}"
        import jax_peer as peer
    else:
        import torch
        torch.set_num_threads(threads)
        if device == "gpu":
            torch.set_default_device("cuda")
            torch.set_float32_matmul_precision("highest")
        import torch_peer as peer
    return peer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("jax", "torch"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    answers = os.fdopen(os.dup(1), "w")  # a library that prints must not break the protocol
    os.dup2(2, 1)
    peer = load(arguments.peer, arguments.threads, arguments.device)
    worker = Worker(peer, KEEP[arguments.device], arguments.all)
    for line in sys.stdin:
        command, *rest = line.split(maxsplit=1)
        if command == "quit":
            break
        answer = getattr(worker, command)(*(r.strip() for r in rest))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
