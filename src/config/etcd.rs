//! How etcd is to be reached, from flags, variables and files.

use tracing::warn;

use crate::cli::{EtcdArgs, go_flags};
use crate::etcd::config::{EtcdConfig, FLAGS};
use crate::fault::{Fault, Place};
use crate::tls;
use crate::tls::files::{Files, Purpose, Tls, TlsFile};

use super::credentials;
use super::discovery;
use super::endpoint::{EndpointRules, endpoints};
use super::faults::Faults;
use super::secret;
use super::setting::Setting;

const DEFAULT_ADDRESS: &str = "127.0.0.1:2379";

/// Looks up a variable of the environment.
pub trait Env: Fn(&str) -> Option<String> {}
impl<F: Fn(&str) -> Option<String>> Env for F {}

/// What a command line calls what is said about etcd.
#[derive(Debug)]
pub(super) struct Flags {
    pub user: &'static str,
    pub tls: tls::Flags,
    /// What to do about a user without a password.
    pub no_password: &'static str,
    /// As confd's client has it: an endpoint's scheme alone says whether it is TLS, whatever is said
    /// about TLS, and it may be a Unix socket.
    pub like_clientv3: bool,
}

pub(super) const PASSWORD_FILE: &str = "--password-file";

pub(super) const OURS: Flags = Flags {
    user: "--user",
    tls: FLAGS,
    no_password: "use --password-file or ETCDCTL_PASSWORD",
    like_clientv3: false,
};

/// What was said about etcd, by whatever means.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// A list with commas.
    pub endpoints: Option<Setting>,
    /// `NAME` or `NAME:PASSWORD`.
    pub user: Option<Setting>,
    pub password: Option<String>,
    pub password_file: Option<Setting>,
    pub ca: Option<Setting>,
    pub cert: Option<Setting>,
    pub key: Option<Setting>,
    /// Or what is wrong with it, which counts only if nothing stronger is given.
    pub skip_verify: Option<Result<bool, Fault>>,
    /// A domain in which endpoints are looked up instead.
    pub discovery: Option<Setting>,
    /// What was said about TLS is about these endpoints: a plain one contradicts it.
    pub wants_tls: bool,
}

impl Given {
    /// `faults` know where the flags' values were given.
    pub(super) fn by_flags(args: EtcdArgs, faults: &Faults) -> Self {
        let setting = |flag, value| Setting::given(faults.place(flag), value);
        let endpoints = setting("--endpoints", args.endpoints);
        let discovery = setting("--discovery-srv", args.discovery_srv);
        let (endpoints, discovery) = discovery::typed_first(endpoints, discovery);
        Self {
            endpoints,
            discovery,
            user: setting(OURS.user, args.user),
            password_file: setting(PASSWORD_FILE, args.password_file),
            ca: setting(OURS.tls.ca, args.cacert),
            cert: setting(OURS.tls.cert, args.cert),
            key: setting(OURS.tls.key, args.cert_key),
            skip_verify: args.insecure_skip_tls_verify.map(Ok),
            ..Self::default()
        }
        .about_tls()
    }

    /// etcdctl's variables, and those of etcdctl 2 behind them. They are set for all that a user
    /// does: what they say about TLS is for those endpoints that speak it.
    pub(super) fn by_etcdctl(env: impl Env) -> Self {
        let variable = |name: &str| Setting::given(Place::Variable(name.to_owned()), env(name));
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name));
        let skip_verify = variable("ETCDCTL_INSECURE_SKIP_TLS_VERIFY");
        let endpoints = first(&["ETCDCTL_ENDPOINTS", "ETCDCTL_ENDPOINT", "ETCDCTL_PEERS"]);
        let discovery = variable("ETCDCTL_DISCOVERY_SRV").filter(|_| endpoints.is_none());
        Self {
            endpoints,
            discovery,
            user: variable("ETCDCTL_USER"),
            password: env("ETCDCTL_PASSWORD"),
            ca: first(&["ETCDCTL_CACERT", "ETCDCTL_CA_FILE"]),
            cert: first(&["ETCDCTL_CERT", "ETCDCTL_CERT_FILE"]),
            key: first(&["ETCDCTL_KEY", "ETCDCTL_KEY_FILE"]),
            skip_verify: skip_verify.map(|given| {
                go_flags::parse_bool(&given.value).ok_or_else(|| given.fault("use true or false"))
            }),
            ..Self::default()
        }
    }

    /// Whoever says this about TLS says it about the endpoints.
    pub(super) fn about_tls(self) -> Self {
        Self {
            wants_tls: self.any_tls(),
            ..self
        }
    }

    fn has_password(&self) -> bool {
        let in_user = |user: &Setting| user.value.contains(':');
        self.password.is_some()
            || self.password_file.is_some()
            || self.user.as_ref().is_some_and(in_user)
    }

    fn without_password(self) -> Self {
        Self {
            password: None,
            password_file: None,
            ..self
        }
    }

    fn any_tls(&self) -> bool {
        let files = [&self.ca, &self.cert, &self.key];
        files.into_iter().any(Option::is_some) || matches!(self.skip_verify, Some(Ok(true)))
    }

    /// What is not given here is taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        let other = match self.has_password() {
            true => other.without_password(),
            false => other,
        };
        let says_where = self.endpoints.is_some() || self.discovery.is_some();
        let (endpoints, discovery) = if says_where {
            (self.endpoints, self.discovery)
        } else {
            (other.endpoints, other.discovery)
        };
        Self {
            wants_tls: self.wants_tls || (other.wants_tls && !says_where),
            endpoints,
            discovery,
            user: self.user.or(other.user),
            password: self.password.or(other.password),
            password_file: self.password_file.or(other.password_file),
            ca: self.ca.or(other.ca),
            cert: self.cert.or(other.cert),
            key: self.key.or(other.key),
            skip_verify: self.skip_verify.or(other.skip_verify),
        }
    }

    /// `flags` for what was not given.
    pub(super) fn check(self, flags: &Flags, faults: &mut Faults) -> Option<EtcdConfig> {
        let rules = EndpointRules {
            bare_is_tls: self.any_tls(),
            tls_only: self.wants_tls && !flags.like_clientv3,
            sockets: flags.like_clientv3,
        };
        let endpoints = self.known_endpoints(rules, flags, faults);
        if self.wants_tls && !rules.tls_only {
            warn_of_plain(&endpoints);
        }
        let tls = self.needed_tls(&endpoints, flags, faults);
        let plain = self.may_be_plain();
        let domain = self.discovery.as_ref();
        let discovery =
            domain.and_then(|given| discovery::check(given, tls.is_some(), plain, faults));
        if let Some(Err(fault)) = self.skip_verify {
            faults.add(fault);
        }
        let credentials = credentials::check(
            self.user,
            self.password,
            self.password_file,
            flags.no_password,
            faults,
        );
        Some(EtcdConfig {
            endpoints,
            discovery,
            credentials,
            tls,
        })
    }

    /// None where they are yet to be looked up.
    fn known_endpoints(
        &self,
        rules: EndpointRules,
        flags: &Flags,
        faults: &mut Faults,
    ) -> Vec<String> {
        match (&self.endpoints, &self.discovery) {
            (Some(given), None) => endpoints(given, rules, flags.user, faults),
            (None, None) => vec![self.default_endpoint()],
            (None, Some(_)) => Vec::new(),
            (Some(given), Some(domain)) => {
                faults.add(discovery::both(given, domain));
                Vec::new()
            }
        }
    }

    /// Whether endpoints that are looked up may be without TLS: what DNS says may be forged.
    fn may_be_plain(&self) -> bool {
        !self.any_tls() && self.user.is_none()
    }

    fn needed_tls(
        &self,
        endpoints: &[String],
        flags: &Flags,
        faults: &mut Faults,
    ) -> Option<Box<Tls>> {
        let looked_up = self.discovery.is_some();
        if endpoints.iter().any(|url| url.starts_with("https://"))
            || (looked_up && !self.may_be_plain())
        {
            return faults.take(self.tls(flags));
        }
        // A host that trusts nobody can still use what is plain.
        looked_up.then(|| self.tls(flags).ok()).flatten()
    }

    fn default_endpoint(&self) -> String {
        let scheme = if self.any_tls() { "https" } else { "http" };
        format!("{scheme}://{DEFAULT_ADDRESS}")
    }

    fn tls(&self, flags: &Flags) -> Result<Box<Tls>, Fault> {
        let value = |given: &Option<Setting>| Some(given.as_ref()?.value.clone());
        if let Some(Setting { place, value }) = &self.key {
            secret::warn_if_exposed(place, value);
        }
        let files = Files {
            ca: value(&self.ca),
            cert: value(&self.cert),
            key: value(&self.key),
            skip_verify: matches!(self.skip_verify, Some(Ok(true))),
        };
        let purpose = Purpose {
            flags: flags.tls,
            protocol: Some("h2"),
            always_verified: false,
        };
        let read = Tls::read(files, purpose);
        read.map(Box::new)
            .map_err(|error| error.fault(flags.tls, |file| self.place_of(file, flags.tls)))
    }

    /// Where a file was given, or could be.
    fn place_of(&self, file: TlsFile, flags: tls::Flags) -> Place {
        let given = match file {
            TlsFile::Ca => &self.ca,
            TlsFile::Cert => &self.cert,
            TlsFile::Key => &self.key,
        };
        match given {
            Some(given) => given.place.clone(),
            None => flags.of(file).into(),
        }
    }
}

/// What is said about TLS is not for these.
fn warn_of_plain(endpoints: &[String]) {
    let is_plain = |url: &&String| !url.starts_with("https://");
    for endpoint in endpoints.iter().filter(is_plain) {
        warn!(
            event = "tls_not_used",
            "{endpoint} is not https://: connecting without TLS, whatever TLS files are given"
        );
    }
}

pub(super) fn check(args: EtcdArgs, env: impl Env, faults: &mut Faults) -> Option<EtcdConfig> {
    Given::by_flags(args, faults)
        .or(Given::by_etcdctl(env))
        .check(&OURS, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: Given) -> Result<EtcdConfig, Faults> {
        let mut faults = Faults::default();
        let config = given.check(&OURS, &mut faults);
        faults.settle(config)
    }

    fn by_etcdctl(variables: &[(&str, &str)]) -> Given {
        Given::by_etcdctl(|name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn at(endpoints: &str) -> Given {
        Given {
            endpoints: Setting::given("--endpoints", Some(endpoints.to_owned())),
            ..Given::default()
        }
    }

    #[test]
    fn etcdctls_switch_is_read_as_etcdctl_reads_it() {
        let switch = |text: &str| by_etcdctl(&[("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", text)]);
        for on in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(switch(on).skip_verify, Some(Ok(true)));
        }
        for off in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(switch(off).skip_verify, Some(Ok(false)));
        }
        let faults = check(switch("never")).expect_err("no boolean");
        assert_eq!(
            faults.to_string(),
            "ETCDCTL_INSECURE_SKIP_TLS_VERIFY \"never\": use true or false"
        );
    }

    #[test]
    fn a_switch_given_as_false_wins_over_another_sources_true() {
        for theirs in ["true", "never"] {
            let ours = Given {
                skip_verify: Some(Ok(false)),
                ..Given::default()
            };
            let given = ours.or(by_etcdctl(&[("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", theirs)]));
            let config = check(given).expect("theirs does not count");
            assert_eq!(config.endpoints, ["http://127.0.0.1:2379"]);
        }
    }

    #[test]
    fn etcdctls_variables_for_tls_forbid_no_plain_endpoint() {
        let etcdctl = || {
            by_etcdctl(&[
                ("ETCDCTL_CACERT", "/nonexistent/ca.pem"),
                ("ETCDCTL_CERT", "/nonexistent/cert.pem"),
                ("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true"),
                ("ETCDCTL_USER", "web:pw"),
            ])
        };
        let config = check(at("http://h:1").or(etcdctl())).expect("none of the files is read");
        assert!(config.tls.is_none());
        assert_eq!(config.credentials.expect("theirs").user, "web");
        let faults = check(at("http://h:1,https://h:2").or(etcdctl())).expect_err("unreadable");
        assert!(
            faults
                .to_string()
                .starts_with("ETCDCTL_CERT and --cert-key"),
            "{faults}"
        );
    }

    fn in_domain(place: impl Into<Place>, domain: &str) -> Given {
        Given {
            discovery: Setting::given(place, Some(domain.to_owned())),
            ..Given::default()
        }
    }

    #[test]
    fn a_domain_stands_in_for_endpoints_of_weaker_sources() {
        let etcdctl = by_etcdctl(&[("ETCDCTL_ENDPOINTS", "http://h:1")]);
        let config = check(in_domain("--discovery-srv", "example.com.").or(etcdctl));
        let config = config.expect("sound");
        assert_eq!(config.endpoints, [""; 0]);
        let discovery = config.discovery.expect("a domain");
        assert_eq!(
            (discovery.domain.as_str(), discovery.plain),
            ("example.com", true)
        );
        let etcdctl = || by_etcdctl(&[("ETCDCTL_DISCOVERY_SRV", "example.com")]);
        assert!(
            check(at("http://h:1").or(etcdctl()))
                .expect("sound")
                .discovery
                .is_none()
        );
        let config = check(Given::default().or(etcdctl())).expect("sound");
        assert!(config.discovery.is_some());
    }

    #[test]
    fn who_gives_credentials_or_says_something_of_tls_wants_no_plain_endpoint() {
        let user = by_etcdctl(&[("ETCDCTL_USER", "web:pw")]);
        let unverified = by_etcdctl(&[("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true")]);
        for given in [user, unverified] {
            let config = check(in_domain("--discovery-srv", "example.com").or(given));
            let Ok(config) = config else {
                // This host trusts nobody.
                continue;
            };
            let discovery = config.discovery.expect("a domain");
            assert!(discovery.tls && !discovery.plain);
        }
    }

    #[test]
    fn a_domain_is_a_name_and_goes_with_no_endpoints() {
        let faults = check(in_domain("--discovery-srv", "10.0.0.1")).expect_err("an address");
        let fault = "--discovery-srv \"10.0.0.1\": is no domain; write it as in example.com";
        assert_eq!(faults.to_string(), fault);
        let both = Given {
            discovery: Setting::given("--discovery-srv", Some("example.com".to_owned())),
            ..at("http://h:1")
        };
        let faults = check(both).expect_err("both");
        let fault = "--endpoints and --discovery-srv: give one of the two";
        assert_eq!(faults.to_string(), fault);
    }

    #[test]
    fn of_endpoints_and_a_domain_the_one_that_was_typed_is_meant() {
        let variable = |name: &str| Place::Variable(name.to_owned());
        let given = |place: Place| Setting::given(place, Some("x".to_owned()));
        let meant = |endpoints: Place, domain: Place| {
            let (endpoints, domain) = discovery::typed_first(given(endpoints), given(domain));
            (endpoints.is_some(), domain.is_some())
        };
        let (e, d) = ("--endpoints", "--discovery-srv");
        assert_eq!(meant(e.into(), variable("D")), (true, false));
        assert_eq!(meant(variable("E"), d.into()), (false, true));
        assert_eq!(meant(e.into(), d.into()), (true, true));
    }

    #[test]
    fn a_file_is_named_as_it_was_given() {
        let etcdctl = by_etcdctl(&[("ETCDCTL_CA_FILE", "/nonexistent/ca.pem")]);
        let faults = check(at("https://h:2").or(etcdctl)).expect_err("unreadable");
        assert!(
            faults
                .to_string()
                .starts_with("ETCDCTL_CA_FILE \"/nonexistent/ca.pem\": "),
            "{faults}"
        );
    }

    #[test]
    fn what_a_weaker_source_says_about_tls_is_not_about_a_stronger_ones_endpoints() {
        let file = || Given {
            endpoints: Setting::given("nodes", Some("http://h:1".to_owned())),
            ca: Setting::given("client_cakeys", Some("/ca.pem".to_owned())),
            ..Given::default()
        };
        assert!(check(at("http://h:1").or(file().about_tls())).is_ok());
        assert!(check(Given::default().or(file().about_tls())).is_err());
    }

    #[test]
    fn a_stronger_sources_password_wins_over_a_weaker_ones_file() {
        let file = || Given {
            user: Setting::given("user", Some("agent".to_owned())),
            password_file: Setting::given("password_file", Some("/nonexistent".to_owned())),
            ..Given::default()
        };
        for variables in [
            &[("ETCDCTL_USER", "web:pw")][..],
            &[("ETCDCTL_PASSWORD", "pw")],
        ] {
            let config = check(by_etcdctl(variables).or(file())).expect("the file is not read");
            assert_eq!(config.credentials.expect("given").password, "pw");
        }
        let faults = check(Given::default().or(file())).expect_err("no such file");
        assert!(
            faults.to_string().starts_with("password_file \"/"),
            "{faults}"
        );
    }

    #[test]
    fn etcdctl_2s_variables_stand_behind_those_of_etcdctl_3() {
        let peers = ("ETCDCTL_PEERS", "http://10.0.0.1:4001,http://10.0.0.2:4001");
        let endpoint = ("ETCDCTL_ENDPOINT", "http://10.0.0.3:2379");
        let endpoints = ("ETCDCTL_ENDPOINTS", "http://10.0.0.4:2379");
        let of = |variables: &[_]| check(by_etcdctl(variables)).expect("sound").endpoints;
        assert_eq!(
            of(&[peers]),
            ["http://10.0.0.1:4001", "http://10.0.0.2:4001"]
        );
        assert_eq!(of(&[peers, endpoint]), ["http://10.0.0.3:2379"]);
        assert_eq!(of(&[peers, endpoint, endpoints]), ["http://10.0.0.4:2379"]);
    }
}
