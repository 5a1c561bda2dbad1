# make demo, make test, make test-e2e: each installs what is missing first. See README.md.

PREFIX ?= /usr
TOOLS := $(CURDIR)/target/tools/usr
export PATH := $(TOOLS)/bin:$(TOOLS)/sbin:$(PATH):/usr/sbin:/sbin

.PHONY: demo test deny fuzz test-e2e bench deps build install

demo: deps
	cargo build
	tests/demo.sh

test: deps
	cargo fmt --check
	cargo clippy --all-targets --workspace -- -D warnings
	cargo test --workspace

# What the dependencies are, where they come from, and their licences.
deny:
	@tests/deny.sh

# Each parser of bytes from outside, for so many seconds.
SECONDS ?= 15
fuzz: deps
	@fuzz/run.sh $(SECONDS)

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
