# make demo, make test and the targets below: each installs what is missing first. See README.md.

PREFIX ?= /usr
TOOLS := $(CURDIR)/target/tools/usr
export PATH := $(TOOLS)/bin:$(TOOLS)/sbin:$(PATH):/usr/sbin:/sbin

.PHONY: demo test deny fuzz test-faults test-e2e test-page picture simulate soak mutants bench curves \
	instructions deps build install

demo: deps
	cargo build
	tests/run tests/demo.sh

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

# Clusters of three members and what can happen to them: some two minutes.
test-faults: deps
	@tests/deps.sh faults
	cargo clippy --test faults -- -D warnings
	cargo test --test faults

# Three hosts under systemd, and containers: as root, and for longer.
test-e2e: deps
	@tests/deps.sh e2e
	cargo build
	tests/systemd/run.sh
	tests/containers/run.sh
	tests/tutorial/run.sh
	tests/patroni/run.sh
	$(MAKE) test-page

# The status page in a real Chromium, which is installed for it: some minute.
test-page: deps
	@tests/deps.sh page
	cargo clippy --test page -- -D warnings
	cargo test --test page

# The picture of the status page in docs/observability/, from the page itself.
picture: deps
	@tests/deps.sh page
	cargo test --test page pictures
	cp target/page/agent.png docs/observability/page.png

# A hundred agents and three proxies, while everything restarts at random. SEED=… repeats a run's
# choices.
MINUTES ?= 30
soak: deps
	SOAK_SECONDS=$$(($(MINUTES) * 60)) $(if $(SEED),SOAK_SEED=$(SEED)) \
		cargo test --test soak -- --nocapture

# Random faults: SEEDS=1000000 runs so many schedules, SEEDS=7..8 tells what the seventh does.
SEEDS ?= 1000000
simulate: deps
	SEEDS=$(SEEDS) cargo test --profile simulation --test simulation -- --nocapture

# Whether unit tests and simulation catch small changes to the agent and the proxy: COUNT of them, drawn at
# random, of which PERCENT must be caught. SAMPLE=2 draws others.
COUNT ?= 100
SAMPLE ?= 1
PERCENT ?= 90
mutants: deps
	@tests/deps.sh mutants
	@tests/mutants.sh $(COUNT) $(SAMPLE) $(PERCENT)

# Beside confd too with CONFD=path/to/confd. ONLY=name: one of agent, services, looking, proxy, resources.
# The table: target/figures/.
bench: deps
	cargo build --release
	cargo run --release --example figures table $(ONLY)
	$(if $(ONLY),,cargo bench --package gotemplate --package renderer)

# Plots and tables in docs/performance/. ONLY=name: one of host, services, keys, leases, fanout, deaths.
curves: deps
	cargo build --release
	cargo run --release --example figures curves $(ONLY)

# Fails when a hot path takes 1.25 times the instructions on record. RECORD=1: records them afresh.
instructions: deps
	@tests/deps.sh instructions
	cargo build --profile counted --example instructions
	benches/instructions/run.sh $(if $(RECORD),record)

deps:
	@tests/deps.sh

build: deps
	cargo build --release

install:
	install -D -m 0755 target/release/register $(DESTDIR)$(PREFIX)/bin/register
