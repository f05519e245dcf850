#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `make reference`: which functions and probes of SystemTap's tapset reference (systemtap-doc) the
# tapset here does not have.
set -euo pipefail
cd "$(dirname "$0")/../.."
pages=/usr/share/doc/systemtap-doc/tapsets
stap=${1:-target/x86_64-unknown-linux-gnu/release/stap}
[ -d $pages ] || { echo "reference: no $pages (package systemtap-doc)" >&2; exit 1; }

# The title of each page says what it is of: function::NAME, probe::NAME, macro::NAME.
titles=$(sed -n 's/.*<title>\(function\|probe\|macro\)::\([^<]*\)<.*/\1 \2/p' $pages/API-*.html | sort -u)
ours=$({
	"$stap" --dump-functions | sed 's/[:( ].*//; s/^/function /'
	"$stap" --dump-probe-aliases | sed 's/ = .*//; s/^/probe /'
	sed -n 's/^@define \([a-zA-Z0-9_]*\).*/macro \1/p' tapset/*.stpm
} | sort -u)
lacking=$(comm -23 <(echo "$titles") <(echo "$ours"))
for kind in function probe macro; do
	all=$(grep -c "^$kind " <<<"$titles" || true)
	missing=$(grep "^$kind " <<<"$lacking" || true)
	printf '%s: %d of %d are here\n' $kind $((all - $(grep -c . <<<"$missing" || true))) "$all"
	sed -n "s/^$kind /    /p" <<<"$missing"
done
