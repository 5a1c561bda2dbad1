//! confd 0.16's command line.

use super::go_flags::{self, Flag, FlagError, FlagKind, FlagValue};

/// What confd's flags say. None where a flag was not given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ConfdArgs {
    pub backend: Option<String>,
    pub client_ca_keys: Option<String>,
    pub client_cert: Option<String>,
    pub client_key: Option<String>,
    pub client_insecure: Option<bool>,
    pub confdir: Option<String>,
    pub config_file: Option<String>,
    /// Seconds.
    pub interval: Option<i64>,
    pub keep_stage_file: Option<bool>,
    pub log_level: Option<String>,
    pub nodes: Vec<String>,
    pub noop: Option<bool>,
    pub onetime: Option<bool>,
    pub password: Option<String>,
    pub prefix: Option<String>,
    pub scheme: Option<String>,
    pub srv_domain: Option<String>,
    pub srv_record: Option<String>,
    pub sync_only: Option<bool>,
    pub username: Option<String>,
    pub version: bool,
    pub watch: Option<bool>,
}

/// confd's flags for backends other than etcd: taken, and of no effect.
const OTHER_BACKENDS: &str = "of another backend; no effect";

const fn flag(name: &'static str, kind: FlagKind, help: &'static str) -> Flag {
    Flag { name, kind, help }
}

const FLAGS: &[Flag] = &[
    flag("app-id", FlagKind::Text, OTHER_BACKENDS),
    flag("auth-token", FlagKind::Text, OTHER_BACKENDS),
    flag("auth-type", FlagKind::Text, OTHER_BACKENDS),
    flag(
        "backend",
        FlagKind::Text,
        "etcd or etcdv3; both mean etcd v3 (default etcd)",
    ),
    flag(
        "basic-auth",
        FlagKind::Switch,
        "no effect: -username is enough",
    ),
    flag(
        "client-ca-keys",
        FlagKind::Text,
        "CA certificates (PEM) for TLS to etcd",
    ),
    flag("client-cert", FlagKind::Text, "our certificate (PEM)"),
    flag(
        "client-insecure",
        FlagKind::Switch,
        "take any certificate from etcd",
    ),
    flag("client-key", FlagKind::Text, "key of our certificate (PEM)"),
    flag(
        "confdir",
        FlagKind::Text,
        "holds conf.d and templates (default /etc/confd)",
    ),
    flag(
        "config-file",
        FlagKind::Text,
        "settings (default /etc/confd/confd.toml, if it is there)",
    ),
    flag("file", FlagKind::Text, OTHER_BACKENDS),
    flag("filter", FlagKind::Text, OTHER_BACKENDS),
    flag(
        "interval",
        FlagKind::Number,
        "seconds between two passes (default 600)",
    ),
    flag(
        "keep-stage-file",
        FlagKind::Switch,
        "leave the temporary files",
    ),
    flag(
        "log-level",
        FlagKind::Text,
        "panic, fatal, error, warn, info or debug (default info)",
    ),
    flag("node", FlagKind::Text, "endpoint of etcd; may be repeated"),
    flag(
        "noop",
        FlagKind::Switch,
        "change nothing, only say what would be",
    ),
    flag("onetime", FlagKind::Switch, "one pass, then exit"),
    flag("password", FlagKind::Text, "password for -username"),
    flag("path", FlagKind::Text, OTHER_BACKENDS),
    flag(
        "prefix",
        FlagKind::Text,
        "what the keys of every resource start with",
    ),
    flag("role-id", FlagKind::Text, OTHER_BACKENDS),
    flag(
        "scheme",
        FlagKind::Text,
        "http or https, for nodes found by -srv-domain (default http)",
    ),
    flag("secret-id", FlagKind::Text, OTHER_BACKENDS),
    flag(
        "secret-keyring",
        FlagKind::Text,
        "no effect: cget and its like are not there",
    ),
    flag("separator", FlagKind::Text, OTHER_BACKENDS),
    flag(
        "srv-domain",
        FlagKind::Text,
        "look the nodes up as _etcd._tcp.DOMAIN",
    ),
    flag(
        "srv-record",
        FlagKind::Text,
        "look the nodes up under this SRV record",
    ),
    flag("sync-only", FlagKind::Switch, "neither check nor reload"),
    flag("table", FlagKind::Text, OTHER_BACKENDS),
    flag("user-id", FlagKind::Text, OTHER_BACKENDS),
    flag("username", FlagKind::Text, "user of etcd"),
    flag("version", FlagKind::Switch, "print the version and exit"),
    flag(
        "watch",
        FlagKind::Switch,
        "follow changes instead of polling",
    ),
];

/// # Errors
/// The first fault, in Go's words.
pub fn parse(words: &[String]) -> Result<ConfdArgs, FlagError> {
    let mut args = ConfdArgs::default();
    for given in go_flags::parse(FLAGS, words)? {
        match given.value {
            FlagValue::Switch(on) => args.set_switch(given.name, on),
            FlagValue::Number(number) => args.interval = Some(number),
            FlagValue::Text(text) => args.set_text(given.name, text),
        }
    }
    Ok(args)
}

/// What `-help` prints.
#[must_use]
pub fn usage() -> String {
    go_flags::usage("confd", FLAGS)
}

impl ConfdArgs {
    fn set_switch(&mut self, name: &str, on: bool) {
        let slot = match name {
            "client-insecure" => &mut self.client_insecure,
            "keep-stage-file" => &mut self.keep_stage_file,
            "noop" => &mut self.noop,
            "onetime" => &mut self.onetime,
            "sync-only" => &mut self.sync_only,
            "watch" => &mut self.watch,
            "version" => {
                self.version = on;
                return;
            }
            _ => return,
        };
        *slot = Some(on);
    }

    fn set_text(&mut self, name: &str, text: String) {
        let slot = match name {
            "backend" => &mut self.backend,
            "client-ca-keys" => &mut self.client_ca_keys,
            "client-cert" => &mut self.client_cert,
            "client-key" => &mut self.client_key,
            "confdir" => &mut self.confdir,
            "config-file" => &mut self.config_file,
            "log-level" => &mut self.log_level,
            "node" => {
                self.nodes.push(text);
                return;
            }
            "password" => &mut self.password,
            "prefix" => &mut self.prefix,
            "scheme" => &mut self.scheme,
            "srv-domain" => &mut self.srv_domain,
            "srv-record" => &mut self.srv_record,
            "username" => &mut self.username,
            _ => return,
        };
        // In Go an empty text is the same as a flag that was not given.
        *slot = Some(text).filter(|text| !text.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> ConfdArgs {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words).expect("sound flags")
    }

    #[test]
    fn the_tutorials_command_is_understood() {
        assert_eq!(
            parse_line("-onetime -node 172.17.42.1:4001 -config-file /etc/confd/conf.d/nginx.toml"),
            ConfdArgs {
                onetime: Some(true),
                nodes: vec!["172.17.42.1:4001".to_owned()],
                config_file: Some("/etc/confd/conf.d/nginx.toml".to_owned()),
                ..ConfdArgs::default()
            }
        );
    }

    #[test]
    fn nodes_add_up_and_are_not_split() {
        assert_eq!(parse_line("-node a -node b,c").nodes, ["a", "b,c"]);
    }

    #[test]
    fn every_flag_is_understood() {
        let before = ConfdArgs::default();
        for flag in FLAGS.iter().filter(|flag| !flag.help.contains("no effect")) {
            let value = match flag.kind {
                FlagKind::Switch => "",
                FlagKind::Number => "=7",
                FlagKind::Text => "=x",
            };
            let after = parse_line(&format!("-{}{value}", flag.name));
            assert_ne!(after, before, "-{}", flag.name);
        }
    }
}
