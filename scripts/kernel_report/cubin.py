# SPDX-License-Identifier: Apache-2.0
"""Reads what ptxas says of the kernels in a plugin or an object file: the cubins of its fat binaries and their attributes.

Only this file knows the formats: a fat binary is a header and entries of PTX (kind 1) or ELF (kind 2), each compressed with Zstandard
(`nvcc --compress-mode=size`, as the plugin has it) or not at all; a cubin is an ELF file whose sections .nv.info hold attributes as
(format, attribute, length, data). tests/ptxemu/runtime/rt_fatbin.cpp says more of fat binaries.
"""
import re
import struct
import subprocess
from dataclasses import dataclass, field

MAGIC = 0xBA55ED50
ZSTANDARD, COMPRESSIONS = 0x8000, 0xF000  # flags
REGISTERS, FRAME, ENTRY_STACK, MOST_THREADS = 0x2F, 0x11, 0x12, 0x05  # attributes
SYSTEM_SHARED = 1024  # from sm_90 on a kernel's section of shared memory begins with the system's


class FormatError(Exception):
    pass


@dataclass
class Kernel:
    symbol: str
    arch: int
    registers: int = 0
    stack: int = 0  # bytes per thread
    local_arrays: int = 0  # of these, arrays of the program's
    shared: int = 0  # static
    threads: int = 1024  # most of a block, as declared
    name: str = ""  # for people: see short_name
    level: str = ""  # warp, block, cluster, grid; empty for a kernel of its own
    cubin: bytes = field(default=b"", repr=False)

    @property
    def spill(self):
        return max(0, self.stack - self.local_arrays)


class Elf:
    def __init__(self, data):
        if data[:4] != b"\x7fELF" or data[4] != 2:
            raise FormatError("not a 64-bit ELF file")
        self.data = data
        offset, = struct.unpack_from("<Q", data, 0x28)
        size, count, names = struct.unpack_from("<HHH", data, 0x3A)
        rows = [struct.unpack_from("<IIQQQQIIQQ", data, offset + size * i) for i in range(count)]
        self.sections = [(self._text(rows[names][4] + row[0]), row[1], row[4], row[5]) for row in rows]

    def _text(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode()

    def section(self, name):
        """(kind, bytes or None, size); kind 8 has no bytes."""
        for have, kind, offset, size in self.sections:
            if have == name:
                return kind, None if kind == 8 else self.data[offset:offset + size], size
        return None

    def symbols(self):
        table, texts = self.section(".symtab"), [s for s in self.sections if s[0] == ".strtab"]
        if not table or not texts:
            return []
        starts = (struct.unpack_from("<I", table[1], i)[0] for i in range(0, table[2], 24))
        return [self._text(texts[0][2] + start) for start in starts]


def attributes(section):
    """(attribute, words) of a section .nv.info..."""
    at = 0
    while at + 4 <= len(section):
        form, attribute, value = struct.unpack_from("<BBH", section, at)
        at += 4
        if form == 4:  # `value` bytes follow
            yield attribute, struct.unpack_from(f"<{value // 4}I", section, at)
            at += value
        else:
            yield attribute, (value,)


def fat_entries(data):
    """(kind, architecture, payload) of each entry, fat binary by fat binary."""
    for name, kind, offset, size in Elf(data).sections:
        if name != ".nv_fatbin" or kind == 8:
            continue
        at, end = offset, offset + size
        while at + 16 <= end:
            magic, _, header, length = struct.unpack_from("<IHHQ", data, at)
            if magic != MAGIC:
                at += 8  # alignment
                continue
            yield list(_entries(data, at + header, at + header + length))
            at += header + length


def _entries(data, at, end):
    while at < end:
        kind, _, header, size, compressed = struct.unpack_from("<HHIQI", data, at)
        arch, = struct.unpack_from("<I", data, at + 28)
        flags, _, whole = struct.unpack_from("<QQQ", data, at + 40)
        if header < 64 or size > end - at - header:
            raise FormatError(f"a damaged fat binary: an entry of {header} + {size} bytes where {end - at} are left")
        payload = data[at + header:at + header + size]
        yield kind, arch, _decompressed(payload[:compressed], flags, whole) if flags & COMPRESSIONS else payload
        at += header + size


def _decompressed(payload, flags, size):
    if flags & COMPRESSIONS != ZSTANDARD:
        raise FormatError(f"a fat binary that is not compressed with Zstandard (flags {flags:#x}): build with nvcc --compress-mode=size")
    try:
        done = subprocess.run(["zstd", "-dc"], input=payload, capture_output=True)
    except FileNotFoundError:
        raise FormatError("a fat binary compressed with Zstandard, and there is no program zstd") from None
    if done.returncode or len(done.stdout) != size:
        raise FormatError(f"a damaged fat binary: {done.stderr.decode().strip() or f'{len(done.stdout)} bytes instead of {size}'}")
    return done.stdout


def local_arrays(ptx):
    """Bytes of local arrays by function of a PTX text."""
    found, current = {}, None
    pattern = re.compile(rb"^(?:\.\w+ +)*\.(?:entry|func)\s+(?:\([^)]*\)\s*)?([\w$]+)|__local_depot\d+\[(\d+)\]", re.M)
    for match in pattern.finditer(ptx):
        if match.group(1):
            current = match.group(1).decode()
        elif current:
            found[current] = int(match.group(2))
    return found


def kernels_of_cubin(data, arch, arrays):
    elf, kernels = Elf(data), {}
    info, symbols = elf.section(".nv.info"), elf.symbols()
    if not info:
        return []
    values = {(attribute, symbols[words[0]]): words[1] for attribute, words in attributes(info[1]) if len(words) == 2}
    for attribute, symbol in values:
        if attribute != ENTRY_STACK:
            continue
        kernel = kernels[symbol] = Kernel(symbol, arch, cubin=data)
        kernel.registers = values[REGISTERS, symbol]
        kernel.stack = max(values[ENTRY_STACK, symbol], values.get((FRAME, symbol), 0))
        inner = [s[len(symbol) + 2:] for s in symbols if s.startswith("$" + symbol + "$")]  # functions that are not inlined
        kernel.local_arrays = arrays.get(symbol, 0) + max([arrays.get(f, 0) for f in inner], default=0)
        shared = elf.section(".nv.shared." + symbol)
        kernel.shared = max(0, shared[2] - (SYSTEM_SHARED if arch >= 90 else 0)) if shared else 0
        for attribute, words in attributes(elf.section(".nv.info." + symbol)[1]):
            if attribute == MOST_THREADS:
                kernel.threads = words[0] * words[1] * words[2]
    return list(kernels.values())


def short_name(demangled):
    """(name, level): without result, parameters, namespaces and arguments that say nothing new; the level from the namespace."""
    demangled = demangled.replace("(anonymous namespace)::", "")
    text, depth, begin = demangled, 0, 0
    for i, c in enumerate(demangled):
        depth += (c == "<") - (c == ">")
        if depth == 0 and c == " ":
            begin = i + 1
        if depth == 0 and c == "(":
            text = demangled[begin:i]
            break
    level = re.search(r"\bcuda_(warp|block|cluster|grid)\w*::", text)
    text = re.sub(r"\b(?:\w+::)+", "", text).replace("> >", ">>")
    text = re.sub(r", \(Lanes\)\d+", "", text)
    text = re.sub(r"(?<=, )(\w+)<(?:float|double)>", r"\1", text)  # a method of the same dtype
    text = re.sub(r"(?<=, )(\w+)<(?:float|double), ", r"\1<", text)
    return text.strip(), level.group(1) if level else ""


def demangle(symbols):
    out = subprocess.run(["c++filt"], input="\n".join(symbols), capture_output=True, text=True, check=True)
    return out.stdout.split("\n")[:len(symbols)]


def read_kernels(path):
    """All kernels with machine code in a plugin or an object file."""
    with open(path, "rb") as file:
        data = file.read()
    kernels = []
    for entries in fat_entries(data):
        texts = {arch: payload for kind, arch, payload in entries if kind == 1}
        parsed = {}
        for kind, arch, payload in entries:
            if kind != 2:
                continue
            # Code for an architecture without PTX of its own: that of the nearest one below has the same arrays.
            nearest = max((a for a in texts if a <= arch), default=None)
            if nearest is not None and nearest not in parsed:
                parsed[nearest] = local_arrays(texts[nearest])
            kernels += kernels_of_cubin(payload, arch, parsed.get(nearest, {}))
    for kernel, name in zip(kernels, demangle([k.symbol for k in kernels])):
        kernel.name, kernel.level = short_name(name)
    return sorted(kernels, key=lambda k: (k.name, k.level, k.arch))
