# make demo, make test, make test-faults, make test-e2e: each installs what is missing first. See README.md.

PREFIX ?= /usr
TOOLS := $(CURDIR)/target/tools/usr
export PATH := $(TOOLS)/bin:$(TOOLS)/sbin:$(PATH):/usr/sbin:/sbin

.PHONY: demo test test-faults test-e2e bench deps build install

demo: deps
	cargo build
	tests/demo.sh

test: deps
	cargo fmt --check
	cargo clippy --all-targets --workspace -- -D warnings
	cargo test --workspace

# Clusters of three members and what can happen to them: some two minutes.
test-faults: deps
	@tests/deps.sh faults
	cargo clippy --test faults -- -D warnings
	cargo test --test faults

# Three hosts under systemd: as root, and for longer.
test-e2e: deps
	@tests/deps.sh e2e
	cargo build
	tests/systemd/run.sh

bench: deps
	cargo build --release
	benches/agent.sh
	cargo run --release --example proxy-figures
	cargo bench --package renderer

deps:
	@tests/deps.sh

build: deps
	cargo build --release

install:
	install -D -m 0755 target/release/register $(DESTDIR)$(PREFIX)/bin/register
