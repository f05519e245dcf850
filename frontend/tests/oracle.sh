#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Asks Debian's stap about each case of accept_reject/ up to pass 2, and prints how many
# agree. The arguments are options for stap that name a kernel whose headers are
# installed, such as `-r 6.12.117+deb12-cloud-amd64`. Exit status 1 if one differs.
set -u
cd "$(dirname "$0")/accept_reject" || exit 2
command -v stap >/dev/null || { echo "oracle.sh: no stap here"; exit 2; }
agree=0 differ=0

# Does stap decide as the list says? A case that we decide otherwise stands in
# differs.txt, so there it must not.
ask() {
    local want=$1 script=$2 have=reject
    stap -p2 "${@:3}" -e "$script" >/dev/null 2>&1 && have=accept
    if [ "$have" = "$want" ]; then
        agree=$((agree + 1))
    else
        differ=$((differ + 1))
        echo "stap says $have, the list $want: $script"
    fi
}

for want in accept reject; do
    while IFS= read -r script; do
        case $script in '' | '# '*) continue ;; esac
        ask "$want" "$script" "$@"
    done <"$want.txt"
done
while IFS= read -r case; do
    case $case in
        'accept '*) ask reject "${case#* }" "$@" ;;
        'reject '*) ask accept "${case#* }" "$@" ;;
    esac
done <differs.txt
echo "cases: $agree agree, $differ differ"
[ "$differ" = 0 ]
