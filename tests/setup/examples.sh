#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The example scripts that `make examples` compiles.
set -euo pipefail
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemtap-doc >/dev/null
