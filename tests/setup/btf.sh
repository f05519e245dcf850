#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# btf.sh VMLINUZ OUT: takes the type information (BTF) out of a compressed kernel
# (Documentation/arch/x86/boot.rst: where the payload is).
set -euo pipefail
image=$1 out=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

number() { od -An -v -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
setup_sectors=$(number $((0x1f1)) 1)
start=$(((setup_sectors + 1) * 512 + $(number $((0x248)) 4)))
length=$(number $((0x24c)) 4)
tail -c "+$((start + 1))" "$image" | head -c "$length" >"$scratch/payload" || true
case $(od -An -v -t x1 -N 4 "$scratch/payload" | tr -d ' ') in
02214c18) unpack=lz4 ;;
fd377a58) unpack=xz ;;
28b52ffd) unpack=zstd ;;
*) echo "btf.sh: $image: unknown compression" >&2; exit 1 ;;
esac
# The payload ends with its unpacked size, which the tools take for rubbish.
"$unpack" -dc <"$scratch/payload" >"$scratch/vmlinux" 2>/dev/null || true
objcopy --dump-section ".BTF=$out" "$scratch/vmlinux" /dev/null
