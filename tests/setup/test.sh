#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every stage of `make test`, each counted; closes with `N passed, N failed`. A stage
# that does not build or runs nothing is one failure.
set -uo pipefail
cd "$(dirname "$0")/../.."
passed=0
failed=0

# A stage that either works or does not.
stage() {
	local name=$1
	shift
	printf '== %s\n' "$name"
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '== %s FAILED\n' "$name"
	fi
}

# A stage whose test programs say `test result: ... N passed; N failed`.
tests() {
	local name=$1 log status before=$((passed + failed)) p f
	shift
	printf '== %s\n' "$name"
	log=$(mktemp)
	"$@" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	while read -r p f; do
		passed=$((passed + p))
		failed=$((failed + f))
	done < <(sed -n 's/^test result: [a-zA-Z]*\. \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$log")
	# A crash or a build error leaves no failed test to count.
	if [ "$status" -ne 0 ] && ! grep -q '^test result: FAILED' "$log"; then
		failed=$((failed + 1))
		printf '== %s FAILED\n' "$name"
	fi
	if [ "$before" -eq $((passed + failed)) ]; then
		failed=$((failed + 1))
		printf '== %s ran no test\n' "$name"
	fi
	rm -f "$log"
}

stage "rustfmt" cargo fmt --all --check
stage "clippy" cargo clippy --quiet --workspace --all-targets -- -D warnings
tests "unit, snapshot and property tests" cargo test --quiet --workspace --exclude tests --no-fail-fast
tests "harness tests" cargo test --quiet -p tests --lib --test refusals
tests "the language under --runtime=user" cargo test --quiet -p tests --test language
stage "static binaries" make --no-print-directory build
stage "kernel module for both kernels, with its link check" make --no-print-directory module
stage "installation into a folder, and DKMS for both kernels" bash tests/setup/test-install.sh
tests "guest tests on both kernels" cargo test --quiet -p tests --test guest

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
