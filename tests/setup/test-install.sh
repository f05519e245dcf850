#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs into a folder, as a package would be made: programs, tapset, the module for
# each guest kernel, and the sources for DKMS, which builds the module for both as well.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

say() { printf 'install: %s\n' "$*"; }

make --no-print-directory install-programs DESTDIR="$root" PREFIX=/usr
for name in stap staprun stap-disasm; do
	[ -x "$root/usr/bin/$name" ] || { say "no $name"; exit 1; }
done
[ -n "$(find "$root/usr/share/stapvm/tapset" -name '*.stp')" ] || { say "no tapset"; exit 1; }
(cd "$root" && usr/bin/stap -p4 -m installed -e 'probe begin { println("x") exit() }' >/dev/null &&
	usr/bin/stap-disasm installed.sbc | grep -q '^probe p0 begin')
say "programs and tapset work from where they were installed"

if [ ! -e /proc/modules ]; then
	# This machine has no modules: everything but the module is installed, and one clear
	# error says so.
	if make --no-print-directory install DESTDIR="$root" PREFIX=/usr 2>"$root/error"; then
		say "a kernel without modules is no error"
		exit 1
	fi
	grep -q 'no loadable modules' "$root/error"
fi

make --no-print-directory -C vm-kmod dkms-install DESTDIR="$root"
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' vm-kmod/dkms.conf)
mkdir -p "$root/dkms"
for series in 6.1 6.12; do
	release=$(cat "target/guest/$series/release")
	make --no-print-directory -C vm-kmod KDIR="/usr/src/linux-headers-$release" KERNEL="$release" \
		OUT="$PWD/target/guest/$series" DESTDIR="$root" install >/dev/null
	modinfo -F vermagic "$root/lib/modules/$release/extra/stapvm.ko" | grep -q "^$release "
	say "module for $release"
	dkms build -m stapvm -v "$version" -k "$release" --sourcetree "$root/usr/src" \
		--dkmstree "$root/dkms" --kernelsourcedir "/usr/src/linux-headers-$release" >"$root/log" ||
		{ cat "$root/log"; exit 1; }
	built=$(find "$root/dkms/stapvm/$version/$release" -name 'stapvm.ko*' | head -n 1)
	modinfo -F vermagic "$built" | grep -q "^$release "
	say "DKMS builds it for $release"
done
