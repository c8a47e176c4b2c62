# SPDX-License-Identifier: Apache-2.0
"""Tests of bench/table.py: table_test.py BENCH."""
import json
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import table  # noqa: E402

BENCH = ""


class Table(unittest.TestCase):
    RESULT = dict(ratio=2.6, share=0.45, programs=dict(bilevel=dict(ms=0.257), jax=dict(ms=4.94), torch=dict(ms=101.2)))

    def test_bars_as_they_are(self):
        self.assertEqual(table.line("sine-T5-25", self.RESULT)[1:], ("0.26 ms", "4.9", "101", "2.6 x", "45 %", "2.5 x", "yes"))
        self.assertEqual(table.line("sine-T5-256", self.RESULT)[6:], ("5 x, 50 %", "no"))
        self.assertEqual(table.line("hvp-K1", self.RESULT)[6:], ("1.6 x, 80 %", "1.6 x: yes, 80 %: no"))
        self.assertEqual(table.line("hvp-K1", None)[-1], "not measured")

    def test_a_bar_is_not_reached_by_rounding(self):
        self.assertEqual(table.line("sine-T5-25", dict(self.RESULT, ratio=2.499))[4:8], ("2.5 x", "45 %", "2.5 x", "no"))

    def test_every_bar_has_a_row(self):
        self.assertEqual(set(table.WORK), set(table.BARS))
        known = subprocess.run([BENCH, "--list"], capture_output=True, text=True, check=True).stdout.split()
        self.assertLessEqual(set(table.BARS), set(known))

    def test_readme_has_the_table_of_the_newest_results(self):
        self.assertIn(table.markdown(json.loads(table.newest().read_text())), table.README.read_text(),
                      "run scripts/bench --markdown --write")


if __name__ == "__main__":
    BENCH = sys.argv[1]
    unittest.main(argv=sys.argv[:1])
