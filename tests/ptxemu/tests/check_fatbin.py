# SPDX-License-Identifier: Apache-2.0
"""Runs tests/fatbin.cu as it was built and with its fat binary damaged, and compares what the emulator says.

    check_fatbin.py PROGRAM none|zstandard|lz4      the compression that its PTX must have
"""
import os
import struct
import subprocess
import sys

FLAGS = {"none": 0, "zstandard": 0x8000, "lz4": 0x2000}
SIZE, COMPRESSED_SIZE, ENTRY_FLAGS, UNCOMPRESSED_SIZE = 8, 16, 40, 56  # where they are in an entry
program, compression = sys.argv[1:]
with open(program, "rb") as file:
    plain = file.read()
container = -1
while True:  # the constant is in the emulator's code too
    container = plain.index(struct.pack("<IHH", 0xBA55ED50, 1, 16), container + 1)
    entry = container + 16
    kind, _, header, size, compressed = struct.unpack_from("<HHIQI", plain, entry)
    if kind == 1:
        break
flags, = struct.unpack_from("<Q", plain, entry + ENTRY_FLAGS)
failed = 0


def expect(name, status, text, edits=()):
    global failed
    data = bytearray(plain)
    for form, at, value in edits:
        struct.pack_into(form, data, at, value)
    path = f"{program}.{name}"
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o755)
    done = subprocess.run([path], capture_output=True, text=True, timeout=60)
    output = done.stdout + done.stderr
    os.remove(path)
    if done.returncode != status or text not in output:
        failed += 1
        print(f"{name}: exit status {done.returncode}, expected {status} and '{text}':\n{output}")


if flags & 0xF000 != FLAGS[compression]:
    failed += 1
    print(f"the flags of the fat binary are {flags:#x}: not {compression}")
if compression == "lz4":
    expect("as-built", 1, "PTX compressed with LZ4, which is not read")
else:
    expect("as-built", 0, "OK")
    expect("magic", 1, "not a fat binary", [("<I", container, 0)])
    expect("header", 1, "damaged fat binary: an entry's header does not fit", [("<I", entry + 4, 1 << 30)])
    expect("short-header", 1, "damaged fat binary: an entry's header does not fit", [("<I", entry + 4, 0)])
    expect("size", 1, "damaged fat binary: an entry of", [("<Q", entry + SIZE, 1 << 60)])
    expect("truncated", 1, "damaged fat binary: an entry of", [("<Q", container + 8, header + size - 8)])
    expect("no-ptx", 1, "no PTX in the fat binary", [("<H", entry, 2)])
    expect("unknown", 1, "compressed in a way that is not known", [("<Q", entry + ENTRY_FLAGS, flags | 0x5000)])
if compression == "zstandard":
    payload = entry + header
    expect("compressed-size", 1, "compressed bytes in an entry of", [("<I", entry + COMPRESSED_SIZE, size + 1)])
    expect("cut", 1, "PTX for compute_80: Src size is incorrect", [("<I", entry + COMPRESSED_SIZE, compressed - 9)])
    expect("frame", 1, "PTX for compute_80: no Zstandard frame", [("<I", payload, 0)])
    expect("text-size", 1, "PTX for compute_80: no Zstandard frame", [("<Q", entry + UNCOMPRESSED_SIZE, 1 << 60)])
    noise = [("<Q", at, 0x123456789ABCDEF) for at in range(payload + 16, payload + compressed - 8, 8)]
    expect("noise", 1, "damaged fat binary: PTX for compute_80: ", noise)
print("FAILED" if failed else "OK")
sys.exit(failed != 0)
