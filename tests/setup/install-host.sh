#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `make install`: programs and tapset, then the module for the running kernel.
# `make install-programs` leaves the module out.
set -euo pipefail
cd "$(dirname "$0")/../.."
destination=$1
prefix=$2
what=$3
release=$(uname -r)

make --no-print-directory build
install -d "$destination$prefix/bin"
for name in stap staprun stap-disasm; do
	install -m 755 "target/x86_64-unknown-linux-gnu/release/$name" "$destination$prefix/bin/$name"
done
find tapset -name '*.stp' -o -name '*.stpm' | while read -r file; do
	install -D -m 644 "$file" "$destination$prefix/share/stapvm/$file"
done
[ "$what" = all ] || exit 0

if [ ! -e /proc/modules ]; then
	echo "install: this kernel ($release) has no loadable modules: only the programs were installed." >&2
	exit 1
fi
headers=/lib/modules/$release/build
if [ ! -d "$headers" ]; then
	echo "install: no headers of this kernel ($headers): only the programs were installed." >&2
	echo "install: install linux-headers-$release and run 'make install' again." >&2
	exit 1
fi
make --no-print-directory -C vm-kmod KDIR="$headers" KERNEL="$release" \
	OUT="$PWD/target/module/$release" DESTDIR="$destination" install
