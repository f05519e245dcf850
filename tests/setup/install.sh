#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what the build and the guest tests need on Debian 12, and lays the guest
# kernels out below target/guest. Quick when everything is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
export DEBIAN_FRONTEND=noninteractive
guests=target/guest

say() { printf 'setup: %s\n' "$*"; }

updated=
update() {
	[ -n "$updated" ] || apt-get update -qq
	updated=yes
}

packages() {
	local missing=()
	local name
	for name in "$@"; do
		dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] && return
	update
	say "installing ${missing[*]}"
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The newest release of a series that has both an image and headers.
newest() {
	apt-cache pkgnames "linux-headers-$1" | sed -n 's/^linux-headers-\(.*-cloud-amd64\)$/\1/p' |
		grep -v rt | sort -V | while read -r release; do
		apt-cache show "linux-image-$release-unsigned" >/dev/null 2>&1 && echo "$release"
	done | tail -n 1
}

kernel() {
	local series=$1 pattern=$2 folder=$guests/$1 release
	if [ -s "$folder/release" ] && [ -s "$folder/vmlinuz" ] && [ -s "$folder/brd.ko" ]; then
		release=$(cat "$folder/release")
		[ -d "/usr/src/linux-headers-$release" ] && return
	else
		update
		release=$(newest "$pattern")
		[ -n "$release" ] || { say "no kernel of series $series in apt"; exit 1; }
	fi
	packages "linux-headers-$release"
	say "fetching Linux $release"
	rm -rf "$folder"
	mkdir -p "$folder/unpacked"
	(cd "$folder" && apt-get download -qq "linux-image-$release-unsigned")
	dpkg-deb -x "$folder"/linux-image-*.deb "$folder/unpacked"
	cp "$folder/unpacked/boot/vmlinuz-$release" "$folder/vmlinuz"
	# A block device for the tests that look at block I/O.
	local disk
	disk=$(find "$folder/unpacked" -name 'brd.ko*')
	case $disk in
	*.xz) xz -dc "$disk" >"$folder/brd.ko" ;;
	*) cp "$disk" "$folder/brd.ko" ;;
	esac
	rm -rf "$folder/unpacked" "$folder"/*.deb
	echo "$release" >"$folder/release"
}

packages ca-certificates gcc make bc libelf-dev kmod dkms busybox-static qemu-system-x86 \
	binutils lz4 strace xz-utils zstd
kernel 6.1 6.1.
kernel 6.12 6.12.
for series in 6.1 6.12; do
	folder=$guests/$series
	[ -s "$folder/vmlinux.btf" ] || bash tests/setup/btf.sh "$folder/vmlinuz" "$folder/vmlinux.btf"
done

# SystemTap's own program that merges the files of bulk mode: what we write must suit it.
if [ ! -s "$guests/stap-merge" ]; then
	update
	say "fetching stap-merge"
	mkdir -p "$guests/unpacked"
	(cd "$guests" && apt-get download -qq systemtap-runtime)
	dpkg-deb -x "$guests"/systemtap-runtime_*.deb "$guests/unpacked"
	cp "$guests/unpacked/usr/bin/stap-merge" "$guests/stap-merge"
	rm -rf "$guests/unpacked" "$guests"/systemtap-runtime_*.deb
fi

target=x86_64-unknown-none
rustup component list --installed | grep -q '^rust-src' || rustup component add rust-src
rustup target list --installed | grep -qx $target || rustup target add $target
