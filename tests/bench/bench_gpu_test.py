# SPDX-License-Identifier: Apache-2.0
"""Tests of bilevel_bench_gpu: bench_gpu_test.py EMULATED_PROGRAM PROGRAM. The first runs in the emulator, whose times are none."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "gpu"))
import results  # noqa: E402

PROGRAM = SHIPPED = ""
TINY = ["sine-T1-3", "sine-T1-3-split-tf32", "hvp-40x33-K2", "cleaning-24x17x3-T2", "hpo-20x5-T2-2", "evaluate-3x4x2-n9-2"]


def run(*arguments, program=None, text=None, **environment):
    return subprocess.run([program or PROGRAM, *arguments], env={**os.environ, **environment}, input=text, capture_output=True, text=True)


def report(*arguments, **environment):
    done = run(*arguments, "--json", "-", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class BenchGpu(unittest.TestCase):
    def test_names_are_those_of_the_other_programs(self):
        names = run("--list").stdout.split()
        peers = re.search(r"GPU_WORKLOADS = {(.*?)^}", (ROOT / "bench" / "peers" / "data.py").read_text(), re.S | re.M)[1]
        peers = re.findall(r'"(\S+)": \(', peers)
        self.assertTrue(peers)
        for name in [column[0] for column in results.COLUMNS] + peers:
            self.assertIn(name, names)

    def test_tiny_suite_is_right_and_has_no_times(self):
        found = report("--suite", "tiny", "--check", "full", "--graph")
        self.assertTrue(found["gpu"]["emulated"])
        self.assertIsNone(found["ceilings"])
        self.assertEqual([row["name"] for row in found["rows"]], TINY)
        for row in found["rows"]:
            self.assertIsNone(row["times"])
            self.assertIsNone(row["plan_ms"])
            self.assertIn("emulator", row["no_times"])
            self.assertNotIn("floor_us", row)
            self.assertEqual([v["right"] for v in row["compared_with_cpu"]], [True, True])
            self.assertGreater(row["flops"], 0)

    def test_table_has_no_times(self):
        done = run("--suite", "tiny", "--filter", "hvp")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no times", done.stdout)
        self.assertNotIn(" us", done.stdout)

    def test_sizes_and_executor_reach_the_plan(self):
        rows = report("hvp", "--rows", "50", "--inputs", "7", "--vectors", "3", "--executor", "block", "--dtype", "f64", "--dry-run")["rows"]
        plan = rows[0]["plan"]
        self.assertEqual((rows[0]["name"], plan["rows"], plan["parameters"], plan["vectors"]), ("hvp-50x7-K3", 50, 7, 3))
        self.assertEqual((plan["executor"], plan["dtype"]), ("block_per_task", "f64"))
        self.assertLess(rows[0]["compared_with_cpu"][0]["tolerance"], 1e-13)

    def test_dry_run_executes_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "profile.json"
            report("evaluate", "--tasks", "2", "--rows", "9", "--widths", "3,4,2", "--dry-run", "--check", "none", PTXEMU_PROFILE=str(path))
            kernels = json.loads(path.read_text())["kernels"]
        self.assertTrue(kernels)
        self.assertFalse([k["demangled"] for k in kernels if "multiply_add" in k["demangled"] or "read_kernel" in k["demangled"]])
        self.assertEqual(sum(k["launches"] for k in kernels if "interpreter_kernel" in k["demangled"]), 1)

    def test_refused_plans_are_failures_unless_they_may_be_skipped(self):
        arguments = ["hvp", "--rows", "20", "--inputs", "4", "--split-tf32", "--dry-run"]
        self.assertEqual(run(*arguments).returncode, 1)
        self.assertIn("BLV_UNSUPPORTED", report(*arguments, "--skip-refused")["rows"][0]["refused"])

    def test_bad_arguments(self):
        for arguments in (["--executor", "lanes"], ["--suite", "none"], ["hvp", "--vectors", "9"], ["sine", "--tasks", "0"], ["--bogus"],
                          ["evaluate", "--widths", "3"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertTrue(done.stderr)
        self.assertEqual(run("hvp", "--rows", "1000000000000", "--inputs", "1000000").returncode, 1)
        self.assertEqual(run("--filter", "no such workload").returncode, 1)

    def test_without_a_device_it_fails_and_says_so(self):
        for program, environment in ((PROGRAM, dict(PTXEMU_NO_DEVICE="1")), (SHIPPED, dict(CUDA_VISIBLE_DEVICES=""))):
            done = run("--suite", "tiny", program=program, **environment)
            self.assertEqual(done.returncode, 1)
            self.assertIn("cudaError", done.stderr)

    def test_serves_the_driver(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "result"
            done = run("--suite", "tiny", "--serve", text=f"setup sine-T1-3\nfloors\ngpu\nrun 1\ndump {path}\nquit\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            setup, floors, gpu, times, _ = (json.loads(line) for line in done.stdout.splitlines())
            self.assertEqual(path.stat().st_size, 4 * 1761)
        self.assertEqual((setup["first_ms"], floors["flops"], times["ms"]), (None, None, []))
        self.assertTrue(gpu["emulated"] and setup["flops"] > 0)


if __name__ == "__main__":
    PROGRAM, SHIPPED = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
