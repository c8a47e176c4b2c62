# SPDX-License-Identifier: Apache-2.0
"""Tests of scripts/gpu-check: gpu_check_test.py BUILD_FOLDER. With the emulator all steps pass; with nothing at hand all are reported."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "gpu-results.md"
BUILD = ""


def gpu_check(*arguments, **environment):
    return subprocess.run([ROOT / "scripts" / "gpu-check", *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def results():
    return TABLE.read_text(), sorted((ROOT / "bench" / "results").iterdir())


class GpuCheck(unittest.TestCase):
    def test_emulated(self):
        before = results()
        done = gpu_check("--emulated", "--no-build", "--build-dir", BUILD)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("summary of an emulated run: no GPU was tested", done.stdout)
        summary = done.stdout.split("==== summary")[1]
        for step in ("tests, a few", "race check", "benchmark", "results"):
            self.assertRegex(summary, rf"ok +\d+ s  {step}\n")
        folder = Path(BUILD) / "gpu-check"
        found, = folder.glob("ptxemu-*.json")
        report = json.loads(found.read_text())
        self.assertTrue(report["emulated"])
        self.assertEqual([s["status"] for s in report["steps"]], ["ok", "ok", "ok", "left out"])
        self.assertEqual([row["times"] for row in report["rows"]], [None] * 6)
        self.assertEqual(len((folder / "gpu-results.md").read_text().splitlines()), 1)
        self.assertEqual(results(), before)

    def test_every_step_is_reported_when_all_fail(self):
        before = results()
        with tempfile.TemporaryDirectory() as folder:  # an empty build folder
            done = gpu_check("--no-build", "--no-peers", "--no-install", "--build-dir", folder, CUDA_VISIBLE_DEVICES="")
        self.assertEqual(done.returncode, 1, done.stdout)
        summary = done.stdout.split("==== summary")[1]
        for step in ("tests", "compute-sanitizer, memcheck", "compute-sanitizer, initcheck", "benchmark", "benchmark, each executor", "results"):
            self.assertRegex(summary, rf"FAILED +\d+ s  {re.escape(step)}: exit status [1-9]")
        self.assertEqual(results(), before)

    def test_a_run_that_tests_nothing_has_failed(self):
        with tempfile.TemporaryDirectory() as folder:
            programs = Path(folder) / "tests" / "cuda"
            programs.mkdir(parents=True)
            for text, wanted in (("[  PASSED  ] 3 tests.", "ok"), ("[  PASSED  ] 0 tests.", "FAILED"),
                                 ("[  SKIPPED ] A.b (0 ms)\n[  PASSED  ] 3 tests.", "FAILED"), ("", "FAILED")):
                program = programs / "cuda_device"
                program.write_text(f"#!/bin/sh\necho '{text}'\n")
                program.chmod(0o755)
                done = gpu_check("--emulated", "--no-build", "--build-dir", folder)
                self.assertRegex(done.stdout.split("==== summary")[1], rf"{wanted} +\d+ s  tests, a few")
                self.assertEqual(done.returncode, 1)

    def test_bad_options(self):
        for arguments in (["--bogus"], ["--jobs", "0"], ["--device", "one"], ["--device"]):
            done = gpu_check(*arguments)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("gpu-check: ", done.stdout)


if __name__ == "__main__":
    BUILD = sys.argv[1]
    unittest.main(argv=sys.argv[:1])
