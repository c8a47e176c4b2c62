# SPDX-License-Identifier: Apache-2.0
"""Tests of bench/gpu/results.py, on reports made up here."""
import json
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "gpu"))
import results  # noqa: E402


def row(name, cold=None, **more):
    times = None if cold is None else dict(cold=dict(median_us=cold), warm=dict(median_us=cold / 2))
    return dict(name=name, dtype="f32", times=times, **more)


def report(rows, emulated=False, name="Example H100"):
    return dict(commit="0123abc", time="2030-01-02T03:04:05Z", emulated=emulated, ceilings=dict(sm_mhz=1500.0),
                gpu=dict(name=name, cuda_driver=13000, nvidia_smi=dict(driver_version="580.1"), emulated=emulated),
                steps=[dict(kind="tests", status="ok"), dict(kind="sanitizer", status="ok"), dict(kind="sanitizer", status="FAILED")],
                rows=rows, executors=[], peers=None)


class Results(unittest.TestCase):
    BOUNDS = dict(bounds=[dict(workload="sine-T5-4096", gpu="H100", bound_us=200.0, unit="fp32"),
                          dict(workload="sine-T5-4096", gpu="A100", bound_us=900.0, unit="fp32"),
                          dict(workload="hvp-1000000x1000-K1", gpu="H100", bound_us=1000.0, unit="dram")])

    def test_bounds_of_the_same_gpu_stand_beside_the_times(self):
        rows = [row("sine-T5-4096", 409.6), row("hvp-1000000x1000-K1"), row("other", 1.0)]
        results.add_bounds(rows, self.BOUNDS, "NVIDIA H100 80GB HBM3")
        self.assertEqual(rows[0]["bound_us"], 200.0)
        self.assertAlmostEqual(rows[0]["measured_over_bound"], 2.048)
        self.assertNotIn("measured_over_bound", rows[1])  # no time, no ratio
        self.assertNotIn("bound_us", rows[2])

    def test_bounds_are_of_single_precision(self):
        rows = [dict(row("sine-T5-4096", 409.6), dtype="f64")]
        results.add_bounds(rows, self.BOUNDS, "NVIDIA H100")
        self.assertNotIn("bound_us", rows[0])

    def test_line_has_the_columns_of_the_table(self):
        rows = [row("sine-T5-4096", 409.6, bound_us=204.8), row("hvp-1000000x1000-K1", 1234.5), row("cleaning-5000x784x10-T100"),
                dict(name="hpo-500x20-T100-4096", dtype="f32", refused="why")]
        found = [c.strip() for c in results.line(report(rows), "file.json").strip().strip("|").split("|")]
        self.assertEqual(found, ["2030-01-02", "0123abc", "Example H100, driver 580.1, 1500 MHz", "pass", "FAIL", "100.0 (50.0)", "-", "1234",
                                 "-", "-", "refused", "-", "file.json"])
        header = next(t for t in (ROOT / "docs" / "gpu-results.md").read_text().splitlines() if t.startswith("| date"))
        self.assertEqual(len(found), len(header.strip().strip("|").split("|")))

    def test_nothing_that_ran_is_not_a_pass(self):
        self.assertEqual(results.passed([dict(kind="tests", status="left out")], "tests"), "-")

    def test_writes_a_file_and_a_line(self):
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "table.md"
            table.write_text("head\n")
            path = results.write(report([row("sine-T5-4096", 409.6)]), folder, table)
            self.assertEqual(path.name, "example-h100-0123abc.json")
            self.assertEqual(json.loads(path.read_text())["rows"][0]["times"]["cold"]["median_us"], 409.6)
            lines = table.read_text().splitlines()
            self.assertEqual((lines[0], len(lines)), ("head", 2))

    def test_the_emulator_gives_no_results_of_a_gpu(self):
        emulated = report([row("sine-T5-4096")], emulated=True)
        with tempfile.TemporaryDirectory() as folder:
            for where in ((ROOT / "bench" / "results", Path(folder) / "t.md"), (folder, ROOT / "docs" / "gpu-results.md")):
                with self.assertRaises(SystemExit):
                    results.write(emulated, *where)
            self.assertEqual(list(Path(folder).iterdir()), [])


if __name__ == "__main__":
    unittest.main()
