use std::fs::{self, File};

use register::observe::metrics;
use register::observe::report::Report;

use super::{promtool, samples, succeeded};

fn all() -> [Report; 3] {
    [samples::agent(), samples::proxy(), samples::crowd(1_000)]
}

#[test]
fn promtool_has_nothing_to_say_against_them() {
    for report in all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics");
        fs::write(&path, metrics::prometheus_text(&report, 3)).unwrap();
        let mut check = promtool();
        check
            .args(["check", "metrics"])
            .stdin(File::open(&path).unwrap());
        assert_eq!(succeeded(&mut check), "");
    }
}

/// `check metrics` takes Prometheus' own form only. What reads the other wants a time for each sample.
#[test]
fn prometheus_reads_them_as_openmetrics() {
    for report in all() {
        let text = metrics::text(&report, 3);
        let timed = text.lines().map(|line| match line.starts_with('#') {
            true => format!("{line}\n"),
            false => format!("{line} 1700000000\n"),
        });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics");
        fs::write(&path, timed.collect::<String>()).unwrap();
        let mut read = promtool();
        read.args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&path, &directory.path().join("blocks")]);
        succeeded(&mut read);
    }
}

#[test]
fn both_forms_have_the_same_samples() {
    for report in all() {
        let samples = |text: String| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect()
        };
        let plain = samples(metrics::prometheus_text(&report, 3));
        let open = samples(metrics::text(&report, 3));
        assert_eq!(names(&plain), names(&open));
    }
}

/// Of samples: the forms write numbers differently.
fn names(samples: &[String]) -> Vec<&str> {
    let mut names: Vec<_> = samples
        .iter()
        .map(|sample| sample.rsplit_once(' ').unwrap().0)
        .filter(|name| !name.contains("le=\""))
        .collect();
    names.sort_unstable();
    names
}
