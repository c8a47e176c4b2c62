# SPDX-License-Identifier: Apache-2.0
"""Workloads run through the C ABI in the emulator, and the bounds that follow from what it counted.

The emulated device is a slice of a GPU: SLICE of its multiprocessors, and the same share of the tasks or rows, of DRAM and of L2
bandwidth. What each multiprocessor does is then as on the whole GPU. Second stages, which add up what blocks found, have as many
blocks as on the whole GPU, but fewer sums to add: they are taken to run on the whole of it. A workload of one small task is not cut:
all multiprocessors, two and three steps, and the rest by a straight line.
"""
import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field

from .predictor import predict

GPUS = {"A100": 80, "H100": 90, "H200": 90}  # the architecture whose code runs there
SLICE = 4
COUNTS = ("warps", "threads", "warp_instructions", "thread_instructions", "local_bytes")
GROUPS = ("warp_instructions_by_class", "global_load", "global_store", "shared_load", "shared_store")
RATIOS = ("sectors_per_request", "conflict_factor")


@dataclass
class Workload:
    name: str  # as the benchmark says it
    title: str
    command: list  # of the benchmark; {n} stands for the number of tasks or rows
    size: int = 0  # tasks or rows, of which a slice gets its share; 0: the problem is not cut
    steps: int = 0  # if it is not cut: steps, counted at two and three
    flops: float = 0  # of the matrix products that are needed
    bytes: float = 0  # least traffic with DRAM
    l2_bytes: float = 0  # least traffic with L2, if what a step reads does not fit closer
    target: float = 0  # most seconds on an H100, as times of `target_floor`
    target_text: str = ""
    unit: str = ""  # "task": figures are per task
    executor: str = ""


def sine(name, title, tasks, extra, target, text):
    m, m0, t = 10 * (40 + 1600 + 40), 10 * 40, 5
    flops = 2 * tasks * (t * (3 * m - m0) + (3 * m - m0) + t * (6 * m - 4 * m0))
    return Workload(name, title, ["sine", "--tasks", "{n}", "--steps", str(t), *extra], size=tasks,
                    flops=flops,
                    bytes=4 * (40 * tasks + 2 * 1761), target=target * tasks, target_text=text, unit="task")


def hvp(vectors, factor):
    n, d = 1_000_000, 1000
    size = 4.0 * (n * d + n + d * (1 + 2 * vectors))
    return Workload(f"hvp-{n}x{d}-K{vectors}", f"logistic HVP, n = 10^6, d = 1,000, K = {vectors}",
                    ["hvp", "--rows", "{n}", "--inputs", str(d), "--vectors", str(vectors)], size=n,
                    flops=2.0 * n * d * (1 + 2 * vectors), bytes=size, target=factor * size / predict.GPUS["H100"]["dram"],
                    target_text=f"{factor:g} x the time of its bytes")


def hpo(tasks):
    n, d, t = 500, 20, 100
    flops = 2.0 * tasks * n * d * (2 * t + 2 + 2 * (t - 1))
    return Workload(f"hpo-{n}x{d}-T{t}-{tasks}", f"logistic HPO, 500 x 20, T = 100, {tasks:,} tasks",
                    ["hpo", "--tasks", "{n}", "--rows", str(n), "--inputs", str(d), "--steps", str(t)], size=tasks, flops=flops,
                    bytes=4.0 * tasks * (2 * n * (d + 1) + 2 * d), target=2.5 * flops / fp32_rate("H100"),
                    target_text="2.5 x its flop floor", unit="task")


def cleaning():
    n, outer, d, c, t = 5000, 500, 784, 10, 100
    m, m_outer = 1.0 * n * d * c, 1.0 * outer * d * c
    flops, traffic = 2 * (t * 2 * m + 2 * m_outer + (t - 1) * 2 * m + m), 4.0 * n * d * 2 * t
    floor = max(flops / fp32_rate("H100"), traffic / predict.GPUS["H100"]["l2"])
    return Workload(f"cleaning-{n}x{d}x{c}-T{t}", "softmax cleaning, 5,000 x 784 x 10, T = 100",
                    ["cleaning", "--rows", str(n), "--outer-rows", str(outer), "--inputs", str(d), "--classes", str(c), "--steps", "{n}"],
                    steps=t, flops=flops, bytes=4.0 * ((n + outer) * (d + 1) + 2 * n), l2_bytes=traffic, target=2 * floor,
                    target_text="2 x the larger of flops and L2 traffic")


def fp32_rate(gpu):
    g = predict.GPUS[gpu]
    return g["sms"] * g["fp32"] * 2 * g["ghz"] * 1e9


def targets():
    return [sine("sine-T5-4096", "sine MAML 1-40-40-1, T = 5, 4,096 tasks, fp32", 4096, [], 80e-9, "80 ns per task"),
            sine("sine-T5-4096-split-tf32", "the same with BLV_SPLIT_TF32", 4096, ["--split-tf32"], 40e-9, "40 ns per task"),
            hvp(1, 1.15), hvp(4, 1.4), cleaning(), hpo(4096)]


# Runs that have no target: the general kernels at every level of cooperation, on shapes that none of the special kernels takes.
def levels():
    kinds = (("gradient, 16-48-48-4, 20 rows", ["evaluate", "--tasks", "{n}", "--rows", "20", "--widths", "16,48,48,4"]),
             ("unroll, logistic, 100 x 40, T = 5", ["hpo", "--tasks", "{n}", "--rows", "100", "--inputs", "40", "--steps", "5"]))
    runs = []
    for title, command in kinds:
        for number, (level, tasks) in enumerate((("warp", 3300), ("block", 1320), ("cluster", 330), ("grid", 132))):
            for dtype in ("f32", "f64"):
                runs.append(Workload("", f"{title}, {dtype}, {level}", command + (["--dtype", "f64"] if dtype == "f64" else []),
                                     size=tasks, unit="task", executor=str(16 + number)))
    return runs


@dataclass
class Bound:
    gpu: str
    seconds: float = 0
    unit: str = ""  # that limits the largest kernel
    second: str = ""  # the next one, and its share of the bound
    launches: list = field(default_factory=list)  # (kernel record, bound of predict.py)


class Runner:
    """Runs workloads with the benchmark's program, one process for each, and keeps what was counted."""

    def __init__(self, build, kernels, log=print):
        self.program = os.path.join(build, "bench", "gpu", "bilevel_bench_gpu_emulated")
        self.plugin = os.path.join(build, "emulated", "libbilevel_cuda.so")
        self.registers = {(k.symbol, k.arch): k.registers for k in kernels}
        self.names = {k.symbol: k for k in kernels}
        self.gpus = [gpu for gpu, arch in GPUS.items() if any(k.arch == arch for k in kernels)]
        self.counted, self.log = {}, log

    def profile(self, workload, n, arch, multiprocessors):
        key = (tuple(workload.command), workload.executor, n, arch, multiprocessors)
        if key not in self.counted:
            self.counted[key] = self._run(workload, n, arch, multiprocessors)
        return self.counted[key]

    def _run(self, workload, n, arch, multiprocessors):
        command = [self.program, "--dry-run", "--check", "none"]
        command += ["--executor", workload.executor] if workload.executor else []
        arguments = [a.replace("{n}", str(n)) for a in workload.command]
        if "--dtype" in arguments:  # an option of the program, not of the workload
            at = arguments.index("--dtype")
            command += arguments[at:at + 2]
            del arguments[at:at + 2]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "profile.json")
            settings = {k: v for k, v in os.environ.items() if not k.startswith("PTXEMU_")}
            settings.update(PTXEMU_PROFILE=path, PTXEMU_SMS=str(multiprocessors), PTXEMU_CC=f"{arch // 10}.{arch % 10}",
                            BILEVEL_CUDA_PLUGIN=self.plugin)
            self.log(f"counting: {' '.join(arguments)} on {multiprocessors} multiprocessors of sm_{arch}")
            done = subprocess.run(command + arguments, env=settings, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"{workload.title}: {(done.stderr or done.stdout).strip()[-400:]}")
            with open(path) as file:
                return [k for k in json.load(file)["kernels"] if k["name"] in self.names]

    def bound(self, workload, gpu):
        arch, machine = GPUS[gpu], dict(predict.GPUS[gpu])
        if workload.steps:
            two, three = (self.profile(workload, n, arch, machine["sms"]) for n in (2, 3))
            records = [extended(a, b, workload.steps - 2) for a, b in zip(two, three)]
        else:
            share = SLICE / machine["sms"]
            machine.update(sms=SLICE, dram=machine["dram"] * share, l2=machine["l2"] * share)
            records = self.profile(workload, max(1, round(workload.size * share)), arch, SLICE)
        result = Bound(gpu)
        for record in records:
            second_stage = re.search(r"(^|_)sum(_|$)", self.names[record["name"]].name.split("<")[0])
            one = predict.bound(record, predict.GPUS[gpu] if second_stage else machine, self.registers[record["name"], arch])
            if one is None:
                raise RuntimeError(f"{workload.title}: {record['demangled']} does not fit on {gpu}")
            result.seconds += one["seconds"] * record["launches"]
            result.launches.append((record, one))
        largest = max((one for _, one in result.launches), key=lambda one: one["seconds"])
        times = sorted(largest["times"].items(), key=lambda t: -t[1])
        result.unit = times[0][0]
        result.second = f"{times[1][0]} {times[1][1] / times[0][1]:.0%}"
        return result


def extended(two, three, steps):
    """The record of a launch with `steps` more steps than `two`, by what the third added."""
    if two["name"] != three["name"] or two["grid"] != three["grid"]:
        raise RuntimeError("the launches of two and of three steps differ")
    result = dict(three)
    for key in COUNTS:
        result[key] = two[key] + (three[key] - two[key]) * steps
    for group in GROUPS:
        result[group] = {k: v if k in RATIOS else two[group][k] + (v - two[group][k]) * steps for k, v in three[group].items()}
    return result
