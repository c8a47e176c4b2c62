# SPDX-License-Identifier: Apache-2.0
"""Tests of bilevel_same_bits and same_bits.py: same_bits_test.py PROGRAM LIBRARY OFF_BY_A_BIT_LIBRARY."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(Path(__file__).resolve().parent))
import same_bits  # noqa: E402

PROGRAM = LIBRARY = OFF = ""


def run(theirs, *arguments, include=ROOT / "include"):
    command = [sys.executable, Path(__file__).with_name("same_bits.py"), "--program", PROGRAM, "--ours", Path(LIBRARY).parent, "--theirs",
               Path(theirs).parent, "--include", include, "--name", "other", "--cases", "60", *arguments]
    return subprocess.run(command, env=dict(os.environ, OFF_BY_A_BIT_REAL=LIBRARY), capture_output=True, text=True)


def lines(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


class SameBits(unittest.TestCase):
    def test_a_library_and_itself(self):
        done = run(LIBRARY)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn("60 of 60 cases have the same bits (100.0 %); refused 0 and 0", done.stdout)

    def test_differences_are_found_and_grouped(self):
        done = run(OFF, "--filter", "method=hvp", "--cases", "150")
        self.assertEqual(done.returncode, 1, done.stderr)
        words = [line[1] for line in lines("--cases", "150", "--filter", "method=hvp")]
        differ = [w for w in words if "dtype=f32" in w and "gradients=none" not in w]
        self.assertTrue(0 < len(differ) < len(words))
        self.assertIn(f"{len(words) - len(differ)} of {len(words)} cases have the same bits", done.stdout)
        self.assertEqual(len(re.findall(r"^  seed \d+: slot \d+ gradient:\S+: 1 of \d+ elements; largest relative difference \d", done.stdout, re.M)),
                         min(20, len(differ)))
        self.assertRegex(done.stdout, r"all that differ have: method=hvp dtype=f32")
        self.assertRegex(done.stdout, r"none differs that has: (.* )?dtype=f64")

    def test_refusals_are_differences(self):
        done = run(OFF, "--filter", "method=evaluate")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"seed \d+: other: refused BLV_UNSUPPORTED")
        self.assertRegex(done.stdout, r"all that differ have: method=evaluate .*\bloss=logistic\b")

    def test_what_the_older_header_lacks_is_not_drawn(self):
        with tempfile.TemporaryDirectory() as folder:
            header = Path(folder) / "bilevel" / "bilevel.h"
            header.parent.mkdir()
            text = (ROOT / "include" / "bilevel" / "bilevel.h").read_text()
            header.write_text(text.replace(" BLV_SOFTPLUS = 4", "").replace("BLV_EVALUATE = 1, ", ""))
            facts = Path(folder) / "facts"
            facts.write_text(same_bits.header_facts(folder))
            names = facts.read_text().split("\n")
            found = lines("--cases", "60", "--header", str(facts))
        self.assertIn("BLV_TANH", names)
        self.assertNotIn("BLV_SOFTPLUS", names)
        self.assertTrue([n for n in names if re.fullmatch(r"sizeof blv_spec \d+", n)])
        self.assertEqual(len(found), 60)
        self.assertFalse([f for f in found if "activation=softplus" in f[1] or "method=evaluate" in f[1]])
        self.assertTrue([f for f in found if "activation=sigmoid" in f[1]])

    def test_every_list_is_drawn_from(self):
        words = " ".join(line[1] + " " + line[3] for line in lines("--cases", "300"))
        for word in ("method=evaluate", "method=hvp", "method=unroll", "dtype=f32", "dtype=f64", "loss=squared", "loss=logistic",
                     "loss=cross_entropy", "activation=relu", "ragged=yes", "optimiser=heavy_ball", "store=checkpoints", "store=theta",
                     "executor=tasks_in_lanes", "executor=task_per_core", "executor=rows_over_cores", ":exp", ":softplus_link",
                     "both.x", "inner.weight", "outer.penalty", "momentum"):
            self.assertIn(word, words)

    def test_differences_in_words(self):
        pack = lambda *values: same_bits.array.array("d", values).tobytes()
        slot = lambda data: [(3, "gradient:rate", "f64", data)]
        self.assertEqual(same_bits.difference(slot(pack(1, 2, 4.5)), slot(pack(1, 2, 4))), ("slot 3 gradient:rate: 1 of 3 elements", 0.125))
        self.assertEqual(same_bits.difference(slot(pack(0.0)), slot(pack(-0.0)))[0], "slot 3 gradient:rate: zeros' signs or NaNs' bits")
        self.assertEqual(same_bits.difference(slot(pack(float("nan"))), slot(pack(1)))[1], float("inf"))
        info = lambda loss: [(9, "info", "info", same_bits.INFO.pack(0, 0, -1, -1, 5, loss, 1.0))]
        self.assertEqual(same_bits.difference(info(1.5), info(1.0)), ("info loss of 1 tasks", 0.5))


if __name__ == "__main__":
    PROGRAM, LIBRARY, OFF = sys.argv[1:4]
    unittest.main(argv=sys.argv[:1])
