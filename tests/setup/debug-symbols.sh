#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# debug-symbols.sh SERIES: the debug symbols of a guest kernel, below target/debug-symbols.
# Their package has 280 MB, so that only `make dwarf-check` and `make examples` ask for them.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=$(cat "target/guest/$1/release")
package=linux-image-$release-dbg
folder=$PWD/target/debug-symbols/$1
[ -s "$folder/vmlinux" ] && [ "$(cat "$folder/release" 2>/dev/null)" = "$release" ] && exit 0

say() { printf 'debug-symbols: %s\n' "$*" >&2; }

rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
say "fetching $package"
if ! apt-get download -qq "$package"; then
	apt-get update -qq || true
	apt-get download -qq "$package" || {
		say "apt cannot give $package: without the symbols of exactly this kernel there is no check"
		exit 1
	}
fi
dpkg-deb --fsys-tarfile ./*.deb | tar -x "./usr/lib/debug/boot/vmlinux-$release"
mv "usr/lib/debug/boot/vmlinux-$release" vmlinux
rm -rf usr ./*.deb
echo "$release" >release
