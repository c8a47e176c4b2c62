# SPDX-License-Identifier: Apache-2.0
"""The hot loop of a kernel and its instruction mix, from nvdisasm's text.

A loop is what lies between a backward branch and its target, in one function; an instruction belongs to the innermost loop around it.
The hot loop is the one with the most multiply-adds of its own (HMMA counts as 32 FFMA, DMMA as 8), where a loop inside another is taken
to run twice as often. A guess from the text, since how often a loop runs is not in it.
"""
import collections
import os
import re
import subprocess
import tempfile

MULTIPLY_ADDS = {"FFMA": 1, "DFMA": 1, "HMMA": 32, "DMMA": 8}
INNER_LOOP_RUNS = 2
CLASSES = {
    "FFMA": "FFMA", "FFMA2": "FFMA", "DFMA": "DFMA", "HMMA": "HMMA", "DMMA": "DMMA",
    "FADD": "other fp", "FMUL": "other fp", "FADD2": "other fp", "FMUL2": "other fp", "FSETP": "other fp", "FSEL": "other fp",
    "FMNMX": "other fp", "FSET": "other fp", "FCHK": "other fp", "DADD": "other fp", "DMUL": "other fp", "DSETP": "other fp",
    "MUFU": "MUFU", "SHFL": "SHFL", "LDS": "LDS", "LDSM": "LDS", "STS": "STS", "LDG": "LDG", "LD": "LDG", "STG": "STG", "ST": "STG",
    "LDGSTS": "LDGSTS", "LDL": "LDL", "STL": "STL", "LDC": "LDC", "ULDC": "LDC", "LDCU": "LDC",
    "BRA": "control", "BRX": "control", "BSSY": "control", "BSYNC": "control", "WARPSYNC": "control", "EXIT": "control",
    "NOP": "control", "CALL": "control", "RET": "control", "BAR": "control", "BREAK": "control", "YIELD": "control",
    "ERRBAR": "control", "LDGDEPBAR": "control", "DEPBAR": "control", "MEMBAR": "control", "BMOV": "control",
}
INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)\s*(.*?)\s*;", re.M)


def disassemble(nvdisasm, cubin):
    """{kernel: its text}."""
    with tempfile.NamedTemporaryFile(suffix=".cubin", delete=False) as file:
        file.write(cubin)
    try:
        text = subprocess.run([nvdisasm, "-c", file.name], capture_output=True, text=True, check=True).stdout
    finally:
        os.unlink(file.name)
    parts = re.split(r"^//-+ \.text\.(\S+)\s.*$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


class Listing:
    def __init__(self, text):
        self.code, self.functions = [], []  # (operation, operands); indices where functions begin
        labels, waiting = {}, []
        for line in text.split("\n"):
            if line and not line[0].isspace():
                label = re.match(r"^(\S+):$", line)
                if label:
                    waiting.append(label.group(1))
                continue
            match = INSTRUCTION.match(line)
            if not match:
                continue
            for label in waiting:
                labels[label] = len(self.code)
                if not label.startswith(".L_"):
                    self.functions.append(len(self.code))
            waiting = []
            self.code.append((match.group(2), match.group(3)))
        self.loops = self._loops(labels)

    def _loops(self, labels):
        """[begin, end] of each loop, by header: branches to one header belong to one loop."""
        ends = {}
        for at, (operation, operands) in enumerate(self.code):
            target = re.search(r"`\(([^)]+)\)", operands)
            if not operation.startswith("BRA") or not target or target.group(1) not in labels:
                continue
            begin = labels[target.group(1)]
            if begin < at and not any(begin < f <= at for f in self.functions):
                ends[begin] = max(ends.get(begin, 0), at)
        return sorted(ends.items())

    def mixes(self):
        """{loop: its own instructions by class}; None for what is in no loop."""
        owner = [None] * len(self.code)
        for begin, end in sorted(self.loops, key=lambda loop: loop[0] - loop[1]):  # inner ones last
            owner[begin:end + 1] = [(begin, end)] * (end + 1 - begin)
        counted = collections.defaultdict(collections.Counter)
        for loop, (operation, _) in zip(owner, self.code):
            kind = CLASSES.get(operation.split(".")[0], "integer and moves")
            if kind in ("LDS", "STS", "LDG", "STG") and operation.endswith((".64", ".128")):
                kind += operation[operation.rindex("."):]
            counted[loop][kind] += 1
        return counted

    def depth(self, loop):
        return sum(b <= loop[0] and loop[1] <= e for b, e in self.loops)

    def hot_loop(self):
        """The mix of the hot loop; None if no loop multiplies and adds."""
        best = (0, None)
        for loop, mix in self.mixes().items():
            work = sum(mix[kind] * weight for kind, weight in MULTIPLY_ADDS.items())
            if loop and work:
                best = max(best, (work * INNER_LOOP_RUNS**self.depth(loop), mix), key=lambda x: x[0])
        return best[1]


def mix_text(mix):
    total = sum(mix.values())
    return f"{total}: " + ", ".join(f"{n} {kind}" for kind, n in mix.most_common())
