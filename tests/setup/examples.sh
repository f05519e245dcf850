#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `make examples` needs beside the guests' kernels: SystemTap's example scripts, and the
# modules whose types some of them look at, where the compiler finds them: beside vmlinux.btf.
# Quick when everything is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
modules="nfs nfsv2 nfsv3 nfsv4 nfsd sunrpc kvm scsi_mod"

if [ ! -d /usr/share/systemtap/examples ]; then
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemtap-doc >/dev/null
fi

for series in 6.1 6.12; do
	folder=target/guest/$series
	missing=
	for module in $modules; do
		[ -s "$folder/$module" ] || missing=yes
	done
	[ -n "$missing" ] || continue
	release=$(cat "$folder/release")
	work=$(mktemp -d)
	printf 'setup: fetching the modules of Linux %s\n' "$release"
	(cd "$work" && apt-get download -qq "linux-image-$release-unsigned" && dpkg-deb -x ./*.deb .)
	for module in $modules; do
		file=$(find "$work" -name "$module.ko*" -print -quit)
		case $file in
		*.xz) xz -dc "$file" >"$folder/$module" ;;
		?*) cp "$file" "$folder/$module" ;;
		*) echo "setup: no module $module in Linux $release" >&2; exit 1 ;;
		esac
	done
	rm -rf "$work"
done
