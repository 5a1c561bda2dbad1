//! The built binary against real servers. Each test starts its own and ends them.
#![expect(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise, and use a part of the harness"
)]

#[path = "../harness/mod.rs"]
mod harness;

/// Users and roles.
mod access;
/// Mistakes on the command line.
mod bad_input;
/// confd's command line, against recorded runs of confd.
mod beyond_confd;
mod confd;
/// confd as process 1 of a container.
mod confd_as_init;
/// What confd takes for a node.
mod confd_nodes;
/// In which order confd's lines come where several resources fail.
mod confd_order;
mod control;
/// One agent for a crowd of services, to which everything happens at random.
mod crowd;
/// Trees of keys that a role does not let the proxy side read.
mod denied;
/// `--discovery-srv`.
mod discovery;
/// `register doctor`: everything on the way examined, and nothing written.
mod doctor;
/// The command's surroundings: its terminal, its environment, its signals.
mod edges;
/// TLS to etcd.
mod etcd_tls;
/// The examples of `units/confd`, checked by nginx, HAProxy, pgbouncer and Prometheus.
mod examples;
/// Up, down, stopped, killed: the key follows the backend and the agent.
mod following;
/// `grpc://` and `grpcs://` checks.
mod grpc_checks;
/// One agent for many services: reloads, faults of one, and all of them at once.
mod host_agent;
/// Servers that talk nonsense, and values that would be commands.
mod hostile;
/// What HTTP checks ask, and the answers they take.
mod http_checks;
/// Checks of a backend over TLS.
mod https;
/// `--address interface:NAME:PORT`.
mod interfaces;
/// The proxy side under random changes, cuts and compactions.
mod interleavings;
/// `list`: much, far away, and what the role allows.
mod listing;
/// `--listen` and `--control`: status, metrics, drains.
mod looking;
/// `--once`, `deregister`, `list`, `check`.
mod oneshot;
/// Etcd killed, hung, wiped, cut off.
mod outages;
/// Who may hold and who may delete the key.
mod ownership;
/// HTTP, TCP and exec probes against backends that misbehave.
mod probing;
/// `register render --once`, `--noop`, `--data`, `lint`.
mod render_once;
/// The proxy side: files follow their keys.
mod rendering;
/// No descriptors, no processes, no room, no right to write, and backends that hang.
mod resources;
/// The services of a host, from files.
mod services_file;
/// What flags, variables and files come to.
mod settings;
/// Commands that hang, and what goes on beside them.
mod side_by_side;
/// Members that fall silent, and those that have nothing to say.
mod silence;
/// Ways to etcd that are long or narrow, and what is read over them.
mod slow_ways;
/// Checks over Unix sockets.
mod sockets;
/// Readers of ours that do not read: of the log, of notifications, of followed files.
mod stalled;
/// `register render -- COMMAND`.
mod supervising;
/// What the service manager is told.
mod systemd;
/// Recorded templates of confd.
mod templates;
/// `tls://` checks, of servers that speak no HTTP.
mod tls_checks;
/// SIGUSR2: the keys are left to the program that is installed by now.
mod upgrades;
/// Requests through nginx while backends restart and die.
mod zero_loss;
