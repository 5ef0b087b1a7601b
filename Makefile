# podnet: every target says what it installs before it installs it.
SHELL := /bin/bash
.DEFAULT_GOAL := build

ARCH   := $(shell uname -m)
TARGET := $(ARCH)-unknown-linux-musl
OUT    := target/$(TARGET)/release
TOOLS  := $(CURDIR)/target/tools

# Everything below is found relative to the checkout, wherever else cargo is told to build.
export CARGO_TARGET_DIR := $(CURDIR)/target

PREFIX ?= /opt/cni
DESTDIR ?=
BIN     = $(DESTDIR)$(PREFIX)/bin
LINKS   ?=
SBIN    ?= /usr/local/bin
UNITS   ?= /etc/systemd/system
DROPIN  := bridge ptp loopback host-local static portmap bandwidth podnet-ipam

export PODNET_BIN    ?= $(CURDIR)/target/release/podnet
export PODNET_IPAMD_BIN ?= $(CURDIR)/target/release/podnet-ipamd
export PODNET_MASQ_AGENT_BIN ?= $(CURDIR)/target/release/podnet-masq-agent
export FLOOR_BIN     ?= $(CURDIR)/$(OUT)/floor
export CNITOOL_130   ?= $(TOOLS)/cnitool-1.3.0/cnitool
export CNITOOL_131   ?= $(TOOLS)/cnitool-1.3.1/cnitool
export REFERENCE_BIN ?= $(TOOLS)/plugins-1.9.1

BENCH := REFERENCE_BIN=$(CURDIR)/target/bench/reference cargo run --quiet --release --locked -p podnet-netns-tests --bin

.PHONY: build tools demo test e2e bench lint install install-daemons images clean

## build: the static binaries, at target/release/podnet, podnet-ipamd and podnet-masq-agent; each by itself, so that features do not mix
build:
	@netns-tests/install-tools build
	cargo build --release --locked --target $(TARGET) -p podnet
	cargo build --release --locked --target $(TARGET) -p podnet-ipamd
	cargo build --release --locked --target $(TARGET) -p podnet-masq-agent
	@mkdir -p target/release
	@ln -sfn ../$(TARGET)/release/podnet target/release/podnet
	@ln -sfn ../$(TARGET)/release/podnet-ipamd target/release/podnet-ipamd
	@ln -sfn ../$(TARGET)/release/podnet-masq-agent target/release/podnet-masq-agent
	@ls -lL target/release/podnet target/release/podnet-ipamd target/release/podnet-masq-agent

## tools: what the tests and the demo use beside podnet (cnitool, the reference plugins, Debian packages)
tools:
	@netns-tests/install-tools test

target/floor.stamp: netns-tests/src/bin/floor.rs $(wildcard netns-tests/src/bin/floor/*.rs)
	cargo build --release --locked --target $(TARGET) -p podnet-netns-tests --bin floor
	@touch $@

## demo: two pods and a second node in namespaces of their own, through the real runtime interface
demo: build tools
	cargo run --quiet --locked -p podnet-netns-tests --bin demo

## test: every test; what needs root runs in namespaces of its own
test: build tools
	cargo test --workspace --locked

## e2e: real Kubernetes on this machine, two nodes in namespaces, and everything that it does with podnet; its programs are
## built from their Go modules into E2E_CACHE (default ~/.cache/podnet-e2e), once, in about ten minutes; SCENARIO="kubenet vnet" chooses
e2e: images
	netns-tests/e2e/run $(SCENARIO)

## bench: ratios to the reference plugins and to the kernel's floor, in one run, and the daemons under load; WRITE=BENCHMARKS.md
## writes the report. What runs are copies, as on a node: the page cache has a copy in larger pieces than what a linker wrote.
bench: export PODNET_BIN := $(CURDIR)/target/bench/podnet
bench: export PODNET_IPAMD_BIN := $(CURDIR)/target/bench/podnet-ipamd
bench: export FLOOR_BIN := $(CURDIR)/target/bench/floor
bench: build tools target/floor.stamp
	install -D -t target/bench $(OUT)/podnet $(OUT)/podnet-ipamd $(OUT)/floor
	install -D -t target/bench/reference $(REFERENCE_BIN)/*
	$(BENCH) bench -- $(if $(WRITE),--write $(WRITE)) $(BENCH_FLAGS)
	$(BENCH) bench-vnet -- $(if $(WRITE),--write $(WRITE)) $(VNET_BENCH_FLAGS)
	$(BENCH) bench-ipamd -- $(if $(WRITE),--write $(WRITE)) $(IPAMD_BENCH_FLAGS)
	@set -o pipefail; { printf '\n## The ip-masq agent\n\n'; $(BENCH) bench-masq; } | tee $(if $(WRITE),-a $(WRITE))

## lint: formatting, clippy, documentation, licences and bans
lint:
	@netns-tests/install-tools lint
	cargo fmt --all --check
	cargo lint
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
	$(TOOLS)/cargo-deny/bin/cargo-deny check licenses bans sources

## install: the binary into $(PREFIX)/bin, and a link to it for each name in LINKS, such as LINKS="bridge host-local":
## called by that name, podnet is that plugin. All by rename, so that a running kubelet never sees half a file; a plugin
## that was there stays as NAME.orig, to go back to.
install: build
	install -d $(BIN)
	install -m 0755 $(PODNET_BIN) $(BIN)/.podnet.new
	mv -fT $(BIN)/.podnet.new $(BIN)/podnet
	@set -e; for name in $(LINKS); do \
	    case " $(DROPIN) " in *" $$name "*) ;; *) echo "install: $$name is none of $(DROPIN)" >&2; exit 1;; esac; \
	    if [ -f $(BIN)/$$name ] && [ ! -L $(BIN)/$$name ]; then ln -f $(BIN)/$$name $(BIN)/$$name.orig; fi; \
	    ln -sfn podnet $(BIN)/.$$name.new; \
	    mv -fT $(BIN)/.$$name.new $(BIN)/$$name; \
	    echo "install: $(BIN)/$$name -> podnet"; \
	done

## install-daemons: the daemons into $(SBIN), by rename, and their units into $(UNITS); none is started
install-daemons: build
	install -d $(DESTDIR)$(SBIN) $(DESTDIR)$(UNITS)
	@set -e; for name in podnet-ipamd podnet-masq-agent; do \
	    install -m 0755 $(dir $(PODNET_BIN))$$name $(DESTDIR)$(SBIN)/.$$name.new; \
	    mv -fT $(DESTDIR)$(SBIN)/.$$name.new $(DESTDIR)$(SBIN)/$$name; \
	    install -m 0644 conf/$$name.service $(DESTDIR)$(UNITS)/$$name.service; \
	    echo "install-daemons: $(DESTDIR)$(SBIN)/$$name, $(DESTDIR)$(UNITS)/$$name.service"; \
	done

## images: the container image as an OCI archive in target/images/, the same bits from the same programs
images: build
	@netns-tests/install-tools images
	conf/images/build target/images/podnet.tar $(PODNET_BIN) $(PODNET_IPAMD_BIN) $(PODNET_MASQ_AGENT_BIN)

clean:
	cargo clean
