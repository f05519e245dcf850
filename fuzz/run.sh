#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh [SECONDS [TARGET...]]: fuzz each target for so long, one after the other.
#
# libFuzzer with coverage, by the stable compiler: the flags are those that cargo-fuzz
# would give, without a sanitizer, as there is no unsafe code in what is fuzzed.
# Findings stay in fuzz/artifacts, what reached new code in fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-600}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(syntax script regex image blob record btf elf dwarf)
host=$(rustc -vV | sed -n 's/^host: //p')
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters
	-Cllvm-args=-sanitizer-coverage-pc-table
	-Cllvm-args=-sanitizer-coverage-trace-compares
	-Ccodegen-units=1 -Cdebug-assertions --cfg fuzzing"
RUSTFLAGS=$(echo $flags) nice cargo build --quiet --release --target "$host" --target-dir target \
	-p fuzz --features libfuzzer "${targets[@]/#/--bin=fuzz-}"
cargo build --quiet -p fuzz --bin fuzz-seeds --target-dir target
status=0
for target in "${targets[@]}"; do
	seeds=$(mktemp -d)
	target/debug/fuzz-seeds "$target" "$seeds"
	mkdir -p "corpus/$target" artifacts
	dictionary=()
	case $target in syntax | script) dictionary=(-dict=script.dict) ;; esac
	start=$SECONDS
	nice "target/$host/release/fuzz-$target" -max_total_time="$seconds" -rss_limit_mb=2048 \
		-malloc_limit_mb=1024 -timeout=20 -max_len=65536 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix="artifacts/$target-" "${dictionary[@]}" "corpus/$target" "$seeds" \
		>"artifacts/$target.log" 2>&1 && found="nothing found" || { found="FOUND SOMETHING"; status=1; }
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$target.log")
	echo "$target: ${runs:-?} runs in $((SECONDS - start)) s: $found"
	rm -rf "$seeds"
done
exit $status
