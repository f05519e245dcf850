#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's SystemTap, able to compile for the guest with 6.1: stable updates of that kernel
# renamed the function its runtime cancels task work with. Quick when everything is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v stap >/dev/null || {
	echo "setup: installing systemtap"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemtap >/dev/null
}
runtime=target/real-stap/runtime
[ -d "$runtime" ] && exit 0
mkdir -p target/real-stap
rm -rf "$runtime.new"
cp -r /usr/share/systemtap/runtime "$runtime.new"
sed -i 's/typeof(&task_work_cancel)/typeof(\&task_work_cancel_func)/
	s/kallsyms_lookup_name("task_work_cancel")/kallsyms_lookup_name("task_work_cancel_func")/' \
	"$runtime.new/stp_task_work.c"
mv "$runtime.new" "$runtime"
