# make demo, make test, make test-e2e, make soak: each installs what is missing first. See README.md.

PREFIX ?= /usr
TOOLS := $(CURDIR)/target/tools/usr
export PATH := $(TOOLS)/bin:$(TOOLS)/sbin:$(PATH):/usr/sbin:/sbin

.PHONY: demo test test-e2e soak bench deps build install

demo: deps
	cargo build
	tests/demo.sh

test: deps
	cargo fmt --check
	cargo clippy --all-targets --workspace -- -D warnings
	cargo test --workspace

# Three hosts under systemd: as root, and for longer.
test-e2e: deps
	@tests/deps.sh e2e
	cargo build
	tests/systemd/run.sh

# A hundred agents and three proxies, while everything restarts at random. SEED=… repeats a run's
# choices.
MINUTES ?= 30
soak: deps
	SOAK_SECONDS=$$(($(MINUTES) * 60)) $(if $(SEED),SOAK_SEED=$(SEED)) \
		cargo test --test soak -- --nocapture

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
