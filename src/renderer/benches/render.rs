//! What rendering from keys costs: `cargo bench -p renderer --bench render`.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement stops at the first surprise"
)]

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use gotemplate::Value;
use gotemplate::{Delims, Options, Template};
use renderer::functions::FUNCTIONS;
use renderer::snapshot::Snapshot;
use renderer::store::Store;

const SERVERS: usize = 10_000;

const OVER_KEYS: &str = "{{range getvs \"/services/web/*\"}}    server {{.}};\n{{end}}";

const HAPROXY: &str = r#"{{range $i, $pair := gets "/services/web/*"}}{{$server := json $pair.Value}}
{{- if and $server.healthy (ge $server.weight 1.0)}}    server {{base $pair.Key}} {{$server.host}}:{{$server.port}}
{{- with $server.options}}{{range .}} {{.}}{{end}}{{end}} weight {{$server.weight}} cookie s{{$i}}
{{else}}    # {{base $pair.Key | printf "%q"}} is {{if $server.healthy}}light{{else}}ill{{end}}
{{end}}{{end}}"#;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    servers(&mut criterion.benchmark_group("10000 servers"));
    json(&mut criterion.benchmark_group("1000 JSON values"));
    criterion.final_summary();
}

/// One line for each server.
fn servers(group: &mut BenchmarkGroup<'_, WallTime>) {
    let addresses: Vec<String> = (0..SERVERS).map(address).collect();
    let written: usize = addresses
        .iter()
        .map(|address| format!("    server {address};\n").len())
        .sum();

    let template = parsed(OVER_KEYS);
    let snapshot = snapshot(addresses);
    let store = selected(&snapshot);
    assert_eq!(executed(&template, &store).len(), written);
    group.bench_function("keys", |b| {
        b.iter(|| executed(&template, &store));
    });
    group.bench_function("select and keys", |b| {
        b.iter(|| executed(&template, &selected(&snapshot)));
    });
}

fn json(group: &mut BenchmarkGroup<'_, WallTime>) {
    let store = selected(&snapshot((0..1_000).map(server)));
    let template = parsed(HAPROXY);
    let output = executed(&template, &store);
    assert_eq!(output.split(|&byte| byte == b'\n').count(), 1_001);
    group.bench_function("HAProxy's servers", |b| {
        b.iter(|| executed(&template, &store));
    });
}

fn parsed(text: &str) -> Template<Store> {
    Template::parse("t.tmpl", text.to_owned(), &Delims::default(), FUNCTIONS).unwrap()
}

fn executed(template: &Template<Store>, store: &Store) -> Vec<u8> {
    template
        .execute(&Value::Nil, store, &Options::default())
        .unwrap()
}

fn selected(snapshot: &Snapshot) -> Store {
    Store::select(snapshot, "", &["/services/web".to_owned()])
}

fn snapshot(values: impl IntoIterator<Item = String>) -> Snapshot {
    let entries = values.into_iter().enumerate().map(|(n, value)| {
        let key = format!("/services/web/{n:05}");
        (key.into(), value.into())
    });
    Snapshot {
        entries: entries.collect(),
        revision: 1,
    }
}

fn address(n: usize) -> String {
    format!("10.{}.{}.{}:80", n / 65_536, n / 256 % 256, n % 256)
}

fn server(n: usize) -> String {
    let (healthy, weight) = (!n.is_multiple_of(7), n % 3);
    format!(
        r#"{{"host": "10.0.{}.{}", "port": 80, "healthy": {healthy}, "weight": {weight}, "options": ["check", "inter 2s"]}}"#,
        n / 256,
        n % 256
    )
}
