#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Fails if the linked Rust object $1 needs anything but the glue's callbacks, the
# four memory functions and the return and retpoline thunks. A panic path needs a
# symbol that nobody defines, so this is the proof that none is left.
set -eu

object=$1
allowed='^(stapvm_glue_[a-z0-9_]+|mem(cpy|set|cmp|move)|__x86_return_thunk|__x86_indirect_thunk_[a-z0-9]+)$'

undefined=$(nm --undefined-only "$object" | awk '{ print $2 }' | sort -u)
bad=$(printf '%s\n' "$undefined" | grep -Ev "$allowed" | grep -v '^$' || true)
if [ -n "$bad" ]; then
	echo "check-vmcore: $object needs symbols that it must not need:" >&2
	for symbol in $bad; do
		echo "  $symbol, from:" >&2
		objdump -dr "$object" |
			awk -v symbol="$symbol" '
				/^[0-9a-f]+ <.*>:$/ { function_name = $2 }
				index($0, symbol) && /R_X86_64/ && !seen[function_name]++ {
					print "    " function_name
				}' >&2
	done
	exit 1
fi
# The kernel's module loader knows these relocations and no others.
relocations=$(readelf -rW "$object" | awk '$3 ~ /^R_X86_64/ { print $3 }' | sort -u |
	grep -Ev '^R_X86_64_(64|32|32S|PC32|PLT32|PC64|NONE)$' || true)
if [ -n "$relocations" ]; then
	echo "check-vmcore: $object has relocations that modules must not have:" $relocations >&2
	exit 1
fi
text=$(size -A "$object" | awk '$1 == ".kprobes.text" { print $2 }')
echo "vmcore.o: $text bytes of code; needs" $undefined
