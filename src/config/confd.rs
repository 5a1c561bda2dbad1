//! What confd's flags, file and variables come to.

use std::path::Path;

use renderer::options::{Dialect, Options};

use super::etcd::{Env, Flags, Given};
use super::faults::Faults;
use super::file::SettingsFile;
use super::render::{
    DEFAULT_CONFDIR, DEFAULT_CONFIG_FILE, DEFAULT_DEBOUNCE, DEFAULT_KILL_TIMEOUT, FileConfig,
    RenderConfig, Run, Source, pause,
};
use super::setting::Setting;
use crate::cli::confd::ConfdArgs;
use crate::fault::Place;
use crate::observe::ObserveConfig;
use crate::os::child_env::WITHHELD;
use crate::proxy::helpers::HELPERS;
use crate::tls;

const DEFAULT_INTERVAL: i64 = 600;

const FLAGS: Flags = Flags {
    user: "-username",
    tls: tls::Flags {
        ca: "-client-ca-keys",
        cert: "-client-cert",
        key: "-client-key",
        skip_verify: "-client-insecure",
    },
    no_password: "give -password",
    like_clientv3: true,
};

#[derive(Debug)]
pub struct ConfdConfig {
    /// As it was named: `etcd` or `etcdv3`.
    pub backend: String,
    /// As they were named.
    pub nodes: Vec<String>,
    pub render: RenderConfig,
}

/// How to find the nodes.
#[derive(Debug, PartialEq, Eq)]
pub struct SrvLookup {
    /// The full name, as `_etcd._tcp.example.com.`
    pub record: String,
    /// Put before each node.
    pub scheme: String,
}

/// Flags with what the file and the environment add. Flags win over the file, unlike in confd 0.16.
#[derive(Debug)]
pub struct ConfdSettings {
    args: ConfdArgs,
    file: SettingsFile,
    faults: Faults,
}

impl ConfdSettings {
    #[must_use]
    pub fn gather(args: ConfdArgs) -> Self {
        let mut faults = Faults::default();
        let path = args.config_file.as_deref().unwrap_or(DEFAULT_CONFIG_FILE);
        let file = SettingsFile::read("-config-file", Path::new(path), false, &mut faults);
        Self { args, file, faults }
    }

    /// confd's name for a level.
    pub fn log_level(&mut self) -> Option<String> {
        let given = self.args.log_level.take();
        given.or_else(|| self.text("log-level"))
    }

    pub fn backend(&mut self) -> String {
        let given = self.args.backend.take();
        given
            .or_else(|| self.text("backend"))
            .unwrap_or_else(|| "etcd".to_owned())
    }

    /// The SRV record that names the nodes, if one was asked for.
    pub fn srv(&mut self, backend: &str) -> Option<SrvLookup> {
        let domain = self
            .args
            .srv_domain
            .take()
            .or_else(|| self.text("srv_domain"));
        let record = self
            .args
            .srv_record
            .take()
            .or_else(|| self.text("srv_record"));
        let scheme = self.args.scheme.take().or_else(|| self.text("scheme"));
        let record = record.or_else(|| {
            let domain = domain?;
            Some(format!("_{backend}._tcp.{}.", domain.trim_end_matches('.')))
        })?;
        Some(SrvLookup {
            record,
            scheme: scheme.unwrap_or_else(|| "http".to_owned()),
        })
    }

    /// `found`: nodes that an SRV record named.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn settle(
        self,
        backend: String,
        found: Vec<String>,
        env: impl Env,
    ) -> Result<ConfdConfig, Faults> {
        let Self {
            args,
            mut file,
            mut faults,
        } = self;
        let of_file = file.nodes(&mut faults);
        let (place, nodes) = nodes(&backend, found, args.nodes, of_file, &env);
        let of_file = file.etcd(&mut faults);
        let by_flags = Given {
            endpoints: Setting::given(place, Some(nodes.join(","))),
            user: Setting::given(FLAGS.user, args.username),
            password: args.password,
            ca: Setting::given(FLAGS.tls.ca, args.client_ca_keys),
            cert: Setting::given(FLAGS.tls.cert, args.client_cert),
            key: Setting::given(FLAGS.tls.key, args.client_key),
            skip_verify: args.client_insecure.map(Ok),
            ..Given::default()
        };
        let variable = |name: &str| Setting::given(Place::Variable(name.to_owned()), env(name));
        let by_env = Given {
            ca: variable("CONFD_CLIENT_CAKEYS"),
            cert: variable("CONFD_CLIENT_CERT"),
            key: variable("CONFD_CLIENT_KEY"),
            ..Given::default()
        };
        let given = by_flags.about_tls().or(of_file).or(by_env);
        let etcd = given.check(&FLAGS, &mut faults);
        let mut switch = |flag: Option<bool>, name| {
            flag.or_else(|| file.flag(name, &mut faults))
                .unwrap_or_default()
        };
        let noop = switch(args.noop, "noop");
        let onetime = switch(args.onetime, "onetime");
        let sync_only = switch(args.sync_only, "sync-only");
        let keep_stage_file = switch(args.keep_stage_file, "keepstagefile");
        let watch = switch(args.watch, "watch");
        let interval = args
            .interval
            .or_else(|| file.number("interval", &mut faults))
            .unwrap_or(DEFAULT_INTERVAL);
        let interval = pause(interval);
        let files = FileConfig {
            confdir: args
                .confdir
                .or_else(|| file.text("confdir", &mut faults))
                .unwrap_or_else(|| DEFAULT_CONFDIR.to_owned())
                .into(),
            options: Options {
                prefix: args.prefix.or_else(|| file.text("prefix", &mut faults)),
                noop,
                sync_only,
                keep_stage_file,
                withheld: WITHHELD,
                helpers: HELPERS,
                dialect: Dialect::Confd,
                ..Options::default()
            },
        };
        let config = etcd.map(|etcd| ConfdConfig {
            backend,
            nodes,
            render: RenderConfig {
                observe: ObserveConfig::default(),
                source: Source::Etcd(etcd),
                run: if onetime {
                    Run::Once
                } else {
                    Run::UntilStopped
                },
                interval: (!watch).then_some(interval),
                debounce: DEFAULT_DEBOUNCE,
                files,
                child: None,
                kill_timeout: DEFAULT_KILL_TIMEOUT,
                follow: Vec::new(),
            },
        });
        faults.settle(config)
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.file.text(name, &mut self.faults)
    }
}

/// Found by SRV, given by flags, file or environment, or confd's default for the backend. With where
/// they were given.
fn nodes(
    backend: &str,
    found: Vec<String>,
    given: Vec<String>,
    of_file: Option<(Place, Vec<String>)>,
    env: impl Env,
) -> (Place, Vec<String>) {
    const FLAG: Place = Place::Flag("-node");
    let peers = || {
        let name = "ETCDCTL_PEERS";
        let list = env(name).filter(|_| backend == "etcd")?;
        let nodes = list.split(',').map(str::to_owned).collect();
        Some((Place::Variable(name.to_owned()), nodes))
    };
    let default = match backend {
        "etcd" => "http://127.0.0.1:4001",
        _ => "127.0.0.1:2379",
    };
    [found, given]
        .into_iter()
        .find(|nodes| !nodes.is_empty())
        .map(|nodes| (FLAG, nodes))
        .or(of_file)
        .or_else(peers)
        .unwrap_or_else(|| (FLAG, vec![default.to_owned()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::confd;
    use crate::longest;
    use std::fs;
    use std::time::Duration;

    fn settle(line: &str, env: impl Env) -> Result<ConfdConfig, Faults> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let mut settings = ConfdSettings::gather(confd::parse(&words).expect("sound flags"));
        let backend = settings.backend();
        settings.settle(backend, Vec::new(), env)
    }

    fn endpoints(config: &ConfdConfig) -> &[String] {
        match &config.render.source {
            Source::Etcd(etcd) => &etcd.endpoints,
            Source::File(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn defaults_are_confds() {
        let config = settle("-config-file /does/not/exist", |_| None).expect("sound");
        assert_eq!(config.nodes, ["http://127.0.0.1:4001"]);
        assert_eq!(config.render.run, Run::UntilStopped);
        assert_eq!(config.render.interval, Some(Duration::from_secs(600)));
        assert_eq!(config.render.files.confdir, Path::new("/etc/confd"));
        let v3 = settle("-backend etcdv3 -config-file /does/not/exist", |_| None).expect("sound");
        assert_eq!(endpoints(&v3), ["http://127.0.0.1:2379"]);
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "nodes = [\"http://10.0.0.1:1\"]\nprefix = \"/file\"\nonetime = true\n";
        fs::write(file.path(), text).expect("written");
        let path = file.path().display();
        let of_file = settle(&format!("-config-file {path}"), |_| None).expect("sound");
        assert_eq!(endpoints(&of_file), ["http://10.0.0.1:1"]);
        assert_eq!(
            of_file.render.files.options.prefix.as_deref(),
            Some("/file")
        );
        assert_eq!(of_file.render.run, Run::Once);
        let line = format!("-config-file {path} -node 10.0.0.2:1 -prefix /flag -onetime=false");
        let of_flags = settle(&line, |_| None).expect("sound");
        assert_eq!(endpoints(&of_flags), ["http://10.0.0.2:1"]);
        assert_eq!(
            of_flags.render.files.options.prefix.as_deref(),
            Some("/flag")
        );
        assert_eq!(of_flags.render.run, Run::UntilStopped);
    }

    #[test]
    fn a_certificate_is_verified_if_a_flag_says_so_whatever_the_file_says() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "client_insecure = true\n").expect("written");
        let path = file.path().display();
        let line = format!("-config-file {path} -node 10.0.0.1:1");
        let of_file = settle(&line, |_| None).expect("sound");
        assert_eq!(endpoints(&of_file), ["https://10.0.0.1:1"]);
        let of_flag = settle(&format!("{line} -client-insecure=false"), |_| None);
        assert_eq!(endpoints(&of_flag.expect("sound")), ["http://10.0.0.1:1"]);
    }

    #[test]
    fn faults_name_confds_flags() {
        let line = "-username web -client-cert /c -node https://h:1 -config-file /does/not/exist";
        let faults = settle(line, |_| None).expect_err("half an identity, no password");
        assert_eq!(
            faults.to_string(),
            "-client-cert and -client-key go together: give both\n\
             -username \"web\": has no password; give -password"
        );
    }

    #[test]
    fn an_interval_of_any_length_is_one_that_the_clock_can_take() {
        let interval = |seconds: &str| {
            let line = format!("-interval={seconds} -config-file /does/not/exist");
            settle(&line, |_| None).expect("sound").render.interval
        };
        assert_eq!(interval("-5"), Some(Duration::from_secs(1)));
        assert_eq!(interval("10"), Some(Duration::from_secs(10)));
        assert_eq!(interval("9223372036854775807"), Some(longest::GIVEN));
    }

    #[test]
    fn watching_does_not_poll() {
        let line = "-watch -interval 10 -config-file /does/not/exist";
        let config = settle(line, |_| None).expect("sound");
        assert_eq!(config.render.interval, None);
    }

    #[test]
    fn peers_of_the_environment_are_for_the_backend_etcd() {
        let env = |name: &str| (name == "ETCDCTL_PEERS").then(|| "http://10.0.0.9:1".to_owned());
        let etcd = settle("-config-file /does/not/exist", env).expect("sound");
        assert_eq!(etcd.nodes, ["http://10.0.0.9:1"]);
        let v3 = settle("-backend etcdv3 -config-file /does/not/exist", env).expect("sound");
        assert_eq!(v3.nodes, ["127.0.0.1:2379"]);
    }

    #[test]
    fn a_domain_is_asked_for_the_backends_record() {
        let srv = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            let args = confd::parse(&words).expect("sound flags");
            ConfdSettings::gather(args).srv("etcd")
        };
        assert_eq!(
            srv("-srv-domain example.com -scheme https"),
            Some(SrvLookup {
                record: "_etcd._tcp.example.com.".to_owned(),
                scheme: "https".to_owned()
            })
        );
        assert_eq!(srv("-config-file /does/not/exist"), None);
    }
}
