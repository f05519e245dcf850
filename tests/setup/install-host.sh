#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `make install`: binaries, and the module for the running kernel if that can have one.
set -euo pipefail
cd "$(dirname "$0")/../.."
destination=$1
prefix=$2
release=$(uname -r)

make --no-print-directory build
install -d "$destination$prefix/bin"
for name in stap staprun stap-disasm; do
	install -m 755 "target/x86_64-unknown-linux-gnu/release/$name" "$destination$prefix/bin/$name"
done
install -d "$destination$prefix/share/stapvm/tapset"
find tapset -name '*.stp' -exec install -m 644 {} "$destination$prefix/share/stapvm/tapset/" \;

headers=/lib/modules/$release/build
if [ ! -d "$headers" ]; then
	echo "install: no headers of the running kernel ($headers): the module was not installed." >&2
	echo "install: install linux-headers-$release and run 'make install' again." >&2
	exit 1
fi
make --no-print-directory -C vm-kmod KDIR="$headers" OUT="$PWD/target/module/$release"
install -D -m 644 "target/module/$release/stapvm.ko" \
	"$destination/lib/modules/$release/extra/stapvm.ko"
[ -n "$destination" ] || depmod -a
echo "install: done; 'modprobe stapvm' loads the module"
