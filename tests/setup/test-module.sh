#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds tests/module, something to probe, for a guest kernel: target/guest/SERIES/test-module.
set -euo pipefail
cd "$(dirname "$0")/../.."
guest=$PWD/target/guest/$1
folder=$guest/test-module
mkdir -p "$folder"
# Copies that did not change keep their time, so that nothing is built twice.
for file in Kbuild stapvm_test.c; do
	cmp -s "tests/module/$file" "$folder/$file" || cp "tests/module/$file" "$folder/$file"
done
make --no-print-directory -s -C "/usr/src/linux-headers-$(cat "$guest/release")" M="$folder" modules
