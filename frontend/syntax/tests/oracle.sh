#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Asks Debian's stap about each case of accept_reject/ and about the scripts that its
# packages install, and prints how many agree. The arguments are options for stap that
# name a kernel whose headers are installed, such as `-r 6.12.117+deb12-cloud-amd64`.
# Exit status 1 if anything differs that accept_reject/differs.txt does not list.
set -u
cd "$(dirname "$0")" || exit 2
command -v stap >/dev/null || { echo "oracle.sh: no stap here"; exit 2; }
here=$PWD/accept_reject
options=("$@")
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
agree=0 differ=0

stap_accepts() { stap -p1 "$@" >/dev/null 2>&1; }

for want in accept reject; do
    while IFS= read -r script; do
        case $script in '' | '# '*) continue ;; esac
        have=reject
        stap_accepts "${options[@]}" -e "$script" a1 22 'x y' && have=accept
        if [ "$have" = "$want" ]; then
            agree=$((agree + 1))
        else
            differ=$((differ + 1))
            echo "stap says $have, the list $want: $script"
        fi
    done <"$here/$want.txt"
done
echo "cases: $agree agree, $differ differ"

# Installed scripts, parsed with the macros of the installed tapset.
find /usr/share/systemtap -name '*.stpm' | sort >"$TMP/paths"
find /usr/share/systemtap /usr/share/doc/systemtap* -name '*.stp' | sort >"$TMP/scripts"
cat "$TMP/scripts" >>"$TMP/paths"
cargo run --quiet --release --example parse -- --guru 1 2 3 4 5 6 7 8 <"$TMP/paths" >"$TMP/ours" || exit 2
files=0 wrong=0
while IFS= read -r path; do
    have=reject
    # stap runs no script that lies in the tapset's own folder.
    cp "$path" "$TMP/script.stp"
    stap_accepts "${options[@]}" -g "$TMP/script.stp" 1 2 3 4 5 6 7 8 && have=accept
    if grep -qxF "$have $path" "$TMP/ours"; then
        files=$((files + 1))
    elif grep -qF "$path" "$here/differs.txt"; then
        echo "listed difference: $path"
    else
        wrong=$((wrong + 1))
        echo "stap says $have: $path"
    fi
done <"$TMP/scripts"
echo "installed scripts: $files agree, $wrong differ"
[ "$differ" = 0 ] && [ "$wrong" = 0 ]
