# SPDX-License-Identifier: GPL-2.0-or-later
# `make demo` shows it, `make test` proves it, `make help` lists the rest.

PREFIX ?= /usr/local
DESTDIR ?=
KERNEL ?= 6.1
SCRIPT ?= tests/demo.stp
ARGS ?=
SERIES := 6.1 6.12
TARGET := x86_64-unknown-linux-gnu
RELEASE := target/$(TARGET)/release
# Static, so that a binary runs on any host and in a guest with no library at all; at a fixed
# address, so that nothing is relocated at each start and no page of tables copied for it (and so
# that QEMU, which before 8.0 keeps translated code by its virtual address, need not do it again).
STATIC := CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static"
DEMO_LOAD := while :; do /bin/busybox ls /proc; /bin/busybox cat /proc/version; done

.PHONY: real chaos dwarf-check faults help demo test setup build module guest bench examples examples-run reference check unit guest-test install install-programs test-install fuzz differential oracle clean

help:
	@echo "make demo       boot a 6.1 kernel and run tests/demo.stp there"
	@echo "make test       every test, on the host and in guests with 6.1 and 6.12"
	@echo "make guest SCRIPT=x.stp KERNEL=6.12 ARGS='...'   run one script in a guest"
	@echo "make chaos      kill, fail, stall and overload sessions for a long time, with counts"
	@echo "make bench      instructions per hit and start-up times (BENCH=w3 for one, RECORD=1 to keep)"
	@echo "make examples   compiles Debian's SystemTap examples for 6.1 and 6.12 (fetches 560 MB), says why not (EXAMPLE=name)"
	@echo "make examples-run   runs them in guests under a load and checks what they print"
	@echo "make reference  says which functions and probes of SystemTap's reference the tapset lacks"
	@echo "make dwarf-check   BTF against the debug symbols of 6.1 (fetches 280 MB), and scripts that need them"
	@echo "make fuzz       every fuzz target for 10 minutes (FUZZ=script for one, FUZZ_SECONDS=60)"
	@echo "make differential   100000 random programs, compiled and evaluated (PROGRAMS=1000)"
	@echo "make oracle     our accept and reject cases, put to Debian's stap"
	@echo "make real SCRIPT=x.stp   one script by Debian's stap and by ours in a guest with 6.1 (ARGS)"
	@echo "make install    binaries, tapset and module for the running kernel (PREFIX, DESTDIR)"
	@echo "make install-programs   the same without the module, for packages"
	@echo "make setup      install what build and tests need (Debian 12, root)"
	@echo "make build      static binaries;  make module: the module for the guest kernels"

setup:
	@bash tests/setup/install.sh

build:
	@$(STATIC) cargo build --quiet --release --target $(TARGET) -p loader -p tests --bins
	@gcc -O1 -static -Wall -Wno-nonnull -o $(RELEASE)/strace-calls tests/strace/calls.c

module:
	@for series in $(SERIES); do \
		$(MAKE) --no-print-directory -C vm-kmod \
			KDIR=/usr/src/linux-headers-$$(cat target/guest/$$series/release) \
			OUT=$(CURDIR)/target/guest/$$series || exit 1; \
		bash tests/setup/test-module.sh $$series || exit 1; \
	done

# The module once more, with allocations that can be made to fail, for the chaos suite.
faults: module
	@for series in $(SERIES); do \
		$(MAKE) --no-print-directory -C vm-kmod FAULTS=1 \
			KDIR=/usr/src/linux-headers-$$(cat target/guest/$$series/release) \
			OUT=$(CURDIR)/target/guest/$$series/faults || exit 1; \
	done

chaos: setup build faults
	@CHAOS=full cargo test --quiet -p tests --test guest -- --nocapture chaos

demo: setup build module
	@$(RELEASE)/guest 6.1 tests/demo.stp --load '$(DEMO_LOAD)'

guest: setup build module
	@$(RELEASE)/guest $(KERNEL) $(SCRIPT) $(ARGS)

# BENCH names parts (hits, w1 ... w6, startup, compiler, types); RECORD=1 rewrites tests/bench/RESULTS.md.
bench: setup build module
	@$(RELEASE)/bench $(if $(RECORD),--record) $(BENCH)

test: setup
	@bash tests/setup/test.sh

# The scripts are systemtap-doc's and stay where that package puts them.
examples: setup build
	@bash tests/setup/examples.sh
	@for series in $(SERIES); do bash tests/setup/debug-symbols.sh $$series || exit 1; done
	@$(RELEASE)/example-scripts $(EXAMPLE)

# What the tapset lacks of SystemTap's reference of its own.
reference: build
	@bash tests/setup/examples.sh
	@bash tests/setup/reference.sh

# Those that are run in guests under a load, with what they must print.
examples-run: setup build module
	@bash tests/setup/examples.sh
	@$(RELEASE)/example-runs $(EXAMPLE)

# Apart from the tests for the size of the symbols' package.
dwarf-check: setup build module
	@bash tests/setup/debug-symbols.sh 6.1
	@$(RELEASE)/dwarf-check 6.1 target/debug-symbols/6.1/vmlinux

# The short form of both is part of the tests.
FUZZ_SECONDS ?= 600
fuzz:
	@fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ)

PROGRAMS ?= 100000
differential:
	@PROPTEST_CASES=$(PROGRAMS) cargo test --quiet --release -p loader --test differential -- --nocapture

# Ask Debian's stap about our accept and reject cases.
ORACLE ?= -r 6.12.117+deb12-cloud-amd64
oracle:
	frontend/syntax/tests/oracle.sh $(ORACLE)
	frontend/tests/oracle.sh $(ORACLE)

# What the real tool prints, beside what ours does: a module is compiled for it.
real: setup build module
	@bash tests/setup/real-stap.sh
	@$(RELEASE)/real-stap $(SCRIPT) $(ARGS)

install:
	@bash tests/setup/install-host.sh "$(DESTDIR)" "$(PREFIX)" all

# For packages, and for machines that only compile.
install-programs:
	@bash tests/setup/install-host.sh "$(DESTDIR)" "$(PREFIX)" programs

test-install: setup build module
	@bash tests/setup/test-install.sh

clean:
	rm -rf target
