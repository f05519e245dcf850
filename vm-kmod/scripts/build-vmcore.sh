#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Compiles vm-kmod/ffi for the kernel and links it into one object, $1.
# Touches $1 only if it changed, so that kbuild has nothing to do when nothing is new.
# All output of cargo goes to $CARGO_TARGET_DIR (default: target/kmod).
set -eu

out=$1
here=$(cd "$(dirname "$0")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$here/../target/kmod}
triple=x86_64-unknown-none
# A callback or an export is one that the C side names.
exports=stapvm_vm_

# -Z flags are only stable within one compiler, which rust-toolchain.toml pins.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="$target_dir"
export RUSTFLAGS="-Crelocation-model=static -Ccode-model=kernel -Zcf-protection=branch \
-Zfunction-return=thunk-extern -Zretpoline-external-thunk -Zplt=yes"
# The output must depend on nothing but the sources.
unset CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET MAKEFLAGS MFLAGS MAKELEVEL || true

(cd "$here/ffi" && cargo build --quiet --release -Zbuild-std=core --target $triple)
archive=$target_dir/$triple/release/libvmffi.a

# Two kernels may be built at once.
work=$(mktemp -d "$target_dir/vmcore.XXXXXX")
trap 'rm -rf "$work"' EXIT

roots=$(nm --defined-only --extern-only "$archive" 2>/dev/null |
	awk -v prefix="^$exports" '$2 == "T" && $3 ~ prefix { print $3 }' | sort -u)
[ -n "$roots" ] || { echo "build-vmcore: $archive exports nothing" >&2; exit 1; }
keep=
undefined=
for root in $roots; do
	keep="$keep --keep-global-symbol=$root"
	undefined="$undefined --undefined=$root"
done

# compiler_builtins brings its own memcpy and friends; the kernel's are used instead.
ar x --output "$work" "$archive"
rm -f "$work"/*compiler_builtins*
# shellcheck disable=SC2086
ld -r --gc-sections $undefined -T "$here/scripts/vmcore.lds" -o "$work/linked.o" "$work"/*.o
# shellcheck disable=SC2086
objcopy $keep --remove-section=.comment --remove-section=.llvmbc \
	--remove-section='.note.GNU-stack' "$work/linked.o" "$work/vmcore.o"

"$here/scripts/check-vmcore.sh" "$work/vmcore.o"

cmp -s "$work/vmcore.o" "$out" || cp "$work/vmcore.o" "$out"
