//! The proxy side's settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use renderer::options::{Dialect, Limits, Options};

use super::etcd::{Env, Given, OURS};
use super::faults::{Faults, MILLISECOND};
use super::file::SettingsFile;
use super::observe::GivenDoors;
use super::setting::Setting;
use super::supervise;
use crate::cli::{ConfdirArgs, EtcdArgs, RenderArgs, Variables};
use crate::etcd::config::EtcdConfig;
use crate::fault::Fault;
use crate::longest;
use crate::observe::ObserveConfig;
use crate::os::child_env::WITHHELD;
use crate::proxy::debounce;
use crate::proxy::helpers::HELPERS;
use crate::proxy::supervise::SuperviseConfig;

const CONFDIR: &str = "--confdir";

pub(super) const DEFAULT_CONFDIR: &str = "/etc/confd";
pub(super) const DEFAULT_CONFIG_FILE: &str = "/etc/confd/confd.toml";
/// As the flags' defaults.
pub(super) const DEFAULT_KILL_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const DEFAULT_DEBOUNCE: debounce::DebounceSettings = debounce::DebounceSettings {
    quiet: Duration::from_millis(50),
    max: Duration::from_millis(500),
};

#[derive(Debug)]
pub struct RenderConfig {
    pub source: Source,
    pub observe: ObserveConfig,
    pub run: Run,
    /// Bring all in step so often, besides watching.
    pub interval: Option<Duration>,
    pub debounce: debounce::DebounceSettings,
    pub files: FileConfig,
    /// What uses the files, if we are to run it.
    pub child: Option<SuperviseConfig>,
    /// How long a command may take to end once we are to stop.
    pub kill_timeout: Duration,
    /// Log files to copy to standard output.
    pub follow: Vec<PathBuf>,
}

/// Where keys and values come from.
#[derive(Debug)]
pub enum Source {
    Etcd(EtcdConfig),
    /// A JSON file.
    File(PathBuf),
}

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    Once,
    UntilStopped,
}

/// Which files are rendered, and how.
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// Holds `conf.d` and `templates`.
    pub confdir: PathBuf,
    pub options: Options,
}

/// # Errors
/// All that is wrong.
pub fn render(
    args: RenderArgs,
    etcd: EtcdArgs,
    variables: Variables,
    env: impl Env,
) -> Result<RenderConfig, Faults> {
    let mut faults = Faults::new(variables);
    let path = args.config_file.as_deref().unwrap_or(DEFAULT_CONFIG_FILE);
    let mut file = SettingsFile::read(
        "--config-file",
        Path::new(path),
        args.config_file.is_some(),
        &mut faults,
    );
    let observe = GivenDoors::by_flags(&args.observe.into(), &faults).check(&mut faults);
    let debounce = debounce_settings(&args.debounce, &mut faults);
    let interval = match &args.interval {
        Some(text) => faults.duration("--interval", text, MILLISECOND),
        None => file
            .number("interval", &mut faults)
            .filter(|seconds| *seconds > 0)
            .map(pause),
    };
    let mut switch = |flag: Option<bool>, name| {
        flag.or_else(|| file.flag(name, &mut faults))
            .unwrap_or_default()
    };
    let noop = switch(args.noop, "noop");
    let once = switch(args.once, "onetime");
    let sync_only = switch(args.sync_only, "sync-only");
    let keep_stage_file = switch(args.keep_stage_file, "keepstagefile");
    if let Some(prefix) = &args.prefix
        && prefix.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        let what = "must hold no white space, as in /production";
        faults.add(Fault::of_value("--prefix", prefix, what));
    }
    let confdir = Setting::given(CONFDIR, args.confdir.confdir)
        .or_else(|| file.setting("confdir", &mut faults));
    let limits = limits(&args.render_limit, &args.render_timeout, &mut faults);
    let files = FileConfig {
        confdir: existing(confdir, &mut faults),
        options: Options {
            prefix: args.prefix.or_else(|| file.text("prefix", &mut faults)),
            noop,
            sync_only,
            keep_stage_file,
            withheld: WITHHELD,
            helpers: HELPERS,
            // Without any there is a fault.
            limits: limits.unwrap_or_default(),
            dialect: Dialect::Plain,
            ..Options::default()
        },
    };
    let source = match args.data {
        Some(path) => Some(Source::File(path.into())),
        None => Given::by_flags(etcd, &faults)
            .or(Given::by_etcdctl(env))
            .or(file.etcd(&mut faults))
            .check(&OURS, &mut faults)
            .map(Source::Etcd),
    };
    let run = match &source {
        Some(Source::Etcd(_)) if !once && !noop => Run::UntilStopped,
        Some(Source::Etcd(_) | Source::File(_)) | None => Run::Once,
    };
    let kill_timeout = faults.duration("--kill-timeout", &args.kill_timeout, Duration::ZERO);
    let child = supervise::check(
        args.child,
        &args.stop_signal,
        &args.reload_signal,
        kill_timeout,
        &mut faults,
    );
    if child.is_some() && run == Run::Once {
        faults.add(Fault::of(
            "-- COMMAND",
            "does not go with --once, --noop or --data: leave one of them out",
        ));
    }
    let settings = (|| {
        Some(RenderConfig {
            source: source?,
            observe: observe?,
            run,
            interval,
            debounce: debounce?,
            files,
            child,
            kill_timeout: kill_timeout?,
            follow: args.follow.into_iter().map(PathBuf::from).collect(),
        })
    })();
    faults.settle(settings)
}

/// What one render may cost.
fn limits(output: &str, time: &str, faults: &mut Faults) -> Option<Limits> {
    let output = faults.size("--render-limit", output);
    let time = faults.duration("--render-timeout", time, MILLISECOND);
    Some(Limits {
        output: output?,
        time: Some(time?),
    })
}

/// confd's seconds between two passes: at least one, as it would spin, and no more than the clock
/// can take.
pub(super) fn pause(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0).max(1)).min(longest::GIVEN)
}

/// The directory that `lint` looks at.
///
/// # Errors
/// When it is not there.
pub fn lint(args: ConfdirArgs, variables: Variables) -> Result<PathBuf, Faults> {
    let mut faults = Faults::new(variables);
    let confdir = Setting::given(CONFDIR, args.confdir);
    let confdir = existing(confdir, &mut faults);
    faults.settle(Some(confdir))
}

fn existing(given: Option<Setting>, faults: &mut Faults) -> PathBuf {
    let confdir = given.unwrap_or_else(|| Setting {
        place: CONFDIR.into(),
        value: DEFAULT_CONFDIR.to_owned(),
    });
    if !Path::new(&confdir.value).is_dir() {
        faults.add(confdir.fault("there is no such directory; it holds conf.d and templates"));
    }
    confdir.value.into()
}

/// `QUIET` or `QUIET:MAX`; without `MAX`, ten times as long.
fn debounce_settings(text: &str, faults: &mut Faults) -> Option<debounce::DebounceSettings> {
    let (quiet, max) = match text.split_once(':') {
        Some((quiet, max)) => (quiet, Some(max)),
        None => (text, None),
    };
    let quiet = faults.duration("--debounce", quiet, Duration::ZERO)?;
    let max = match max {
        Some(max) => faults.duration("--debounce", max, quiet)?,
        None => quiet.saturating_mul(10),
    };
    Some(debounce::DebounceSettings { quiet, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use std::fs;

    fn config(flags: &[&str], env: impl Env) -> Result<RenderConfig, Faults> {
        let confdir = ["register", "render", "--confdir", "/"];
        let cli = Cli::try_parse_from(confdir.iter().chain(flags)).expect("flags that clap takes");
        match cli.command {
            Some(Command::Render(args)) => render(args, cli.etcd, cli.variables, env),
            other => panic!("{other:?}"),
        }
    }

    fn endpoints(config: &RenderConfig) -> &[String] {
        match &config.source {
            Source::Etcd(etcd) => &etcd.endpoints,
            Source::File(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn flags_win_over_the_environment_and_the_environment_over_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(
            file.path(),
            "nodes = [\"http://10.0.0.1:2379\"]\nprefix = \"/of/file\"\ninterval = 7\n",
        )
        .expect("written");
        let path = file.path().to_str().expect("a path");

        let of_file = config(&["--config-file", path], |_| None).expect("sound");
        assert_eq!(endpoints(&of_file), ["http://10.0.0.1:2379"]);
        assert_eq!(of_file.files.options.prefix.as_deref(), Some("/of/file"));
        assert_eq!(of_file.interval, Some(Duration::from_secs(7)));

        let env = |name: &str| (name == "ETCDCTL_ENDPOINTS").then(|| "10.0.0.2:2379".to_owned());
        let of_env = config(&["--config-file", path], env).expect("sound");
        assert_eq!(endpoints(&of_env), ["http://10.0.0.2:2379"]);

        let flags = [
            "--config-file",
            path,
            "--endpoints",
            "10.0.0.3:2379",
            "--prefix",
            "/f",
        ];
        let of_flags = config(&flags, env).expect("sound");
        assert_eq!(endpoints(&of_flags), ["http://10.0.0.3:2379"]);
        assert_eq!(of_flags.files.options.prefix.as_deref(), Some("/f"));
    }

    #[test]
    fn a_render_has_limits_and_a_bad_one_is_named() {
        let limits = |flags: &[&str]| {
            let config = config(flags, |_| None)?;
            let limits = config.files.options.limits;
            Ok::<_, Faults>((limits.output, limits.time))
        };
        let usual = (64 << 20, Some(Duration::from_secs(10)));
        assert_eq!(limits(&[]).expect("sound"), usual);
        let given = ["--render-limit", "512KiB", "--render-timeout", "1m"];
        let expected = (512 << 10, Some(Duration::from_secs(60)));
        assert_eq!(limits(&given).expect("sound"), expected);
        let bad = ["--render-limit", "64MB", "--render-timeout", "0s"];
        assert_eq!(
            limits(&bad).expect_err("no size, and no time").to_string(),
            "--render-limit \"64MB\": is no size; write 64MiB, 512KiB or a number of bytes\n\
             --render-timeout \"0s\": must be at least 1ms"
        );
    }

    #[test]
    fn a_switch_given_as_false_wins_over_the_files_true() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(
            file.path(),
            "noop = true\nonetime = true\nsync-only = true\n",
        )
        .expect("written");
        let path = file.path().to_str().expect("a path");
        let of_file = config(&["--config-file", path], |_| None).expect("sound");
        assert_eq!(of_file.run, Run::Once);
        assert!(of_file.files.options.noop && of_file.files.options.sync_only);
        let off = [
            "--config-file",
            path,
            "--noop=false",
            "--once=0",
            "--sync-only=no",
        ];
        let of_flags = config(&off, |_| None).expect("sound");
        assert_eq!(of_flags.run, Run::UntilStopped);
        assert!(!of_flags.files.options.noop && !of_flags.files.options.sync_only);
    }

    #[test]
    fn noop_and_data_make_it_one_run() {
        let run = |flags: &[&str]| config(flags, |_| None).expect("sound").run;
        assert_eq!(run(&[]), Run::UntilStopped);
        assert_eq!(run(&["--once"]), Run::Once);
        assert_eq!(run(&["--noop"]), Run::Once);
        assert_eq!(run(&["--data", "x.json"]), Run::Once);
    }

    #[test]
    fn debounce_takes_one_or_two_durations() {
        let debounce = |text| {
            config(&["--debounce", text], |_| None).map(|config| {
                let debounce::DebounceSettings { quiet, max } = config.debounce;
                (quiet.as_millis(), max.as_millis())
            })
        };
        assert_eq!(debounce("20ms:1s").expect("sound"), (20, 1000));
        assert_eq!(debounce("20ms").expect("sound"), (20, 200));
        assert_eq!(debounce("0s").expect("sound"), (0, 0));
        let faults = debounce("1s:20ms").expect_err("less than quiet");
        assert_eq!(
            faults.to_string(),
            "--debounce \"20ms\": must be at least 1s"
        );
    }
}
