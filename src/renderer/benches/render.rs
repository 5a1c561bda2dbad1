//! What rendering costs, beside the crate `gotmpl`: `cargo bench -p renderer --bench render`.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement stops at the first surprise"
)]

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use renderer::Str;
use renderer::functions::FUNCTIONS;
use renderer::snapshot::Snapshot;
use renderer::store::Store;
use renderer::template::value::Value;
use renderer::template::{Delims, Options, Template};

const SERVERS: usize = 10_000;

const OVER_DATA: &str = "{{range .}}    server {{.}};\n{{end}}";

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
    parse(&mut criterion.benchmark_group("parse 10 kB"));
    criterion.final_summary();
}

/// One line for each server.
fn servers(group: &mut BenchmarkGroup<'_, WallTime>) {
    let addresses: Vec<String> = (0..SERVERS).map(address).collect();
    let written: usize = addresses
        .iter()
        .map(|address| format!("    server {address};\n").len())
        .sum();

    let template = gotmpl::Template::new("t.tmpl").parse(OVER_DATA).unwrap();
    let data = gotmpl::Value::List(
        addresses
            .iter()
            .map(|address| gotmpl::Value::String(address.as_str().into()))
            .collect(),
    );
    assert_eq!(template.execute_to_string(&data).unwrap().len(), written);
    group.bench_function("gotmpl, data", |b| {
        b.iter(|| template.execute_to_string(&data).unwrap());
    });

    let template = parsed(OVER_DATA);
    let data = Value::strings(addresses.iter().cloned().map(Str::from).collect());
    let none = Store::default();
    assert_eq!(executed(&template, &data, &none).len(), written);
    group.bench_function("renderer, data", |b| {
        b.iter(|| executed(&template, &data, &none));
    });

    let template = parsed(OVER_KEYS);
    let snapshot = snapshot(addresses);
    let store = selected(&snapshot);
    assert_eq!(executed(&template, &Value::Nil, &store).len(), written);
    group.bench_function("renderer, keys", |b| {
        b.iter(|| executed(&template, &Value::Nil, &store));
    });
    group.bench_function("renderer, select and keys", |b| {
        b.iter(|| executed(&template, &Value::Nil, &selected(&snapshot)));
    });
}

fn json(group: &mut BenchmarkGroup<'_, WallTime>) {
    let store = selected(&snapshot((0..1_000).map(server)));
    let template = parsed(HAPROXY);
    let output = executed(&template, &Value::Nil, &store);
    assert_eq!(output.split(|&byte| byte == b'\n').count(), 1_001);
    group.bench_function("renderer", |b| {
        b.iter(|| executed(&template, &Value::Nil, &store));
    });
}

fn parse(group: &mut BenchmarkGroup<'_, WallTime>) {
    let text = HAPROXY.repeat(10_000 / HAPROXY.len());
    group.throughput(Throughput::Bytes(text.len().try_into().unwrap()));
    group.bench_function("renderer", |b| b.iter(|| parsed(&text)));
}

fn parsed(text: &str) -> Template {
    Template::parse("t.tmpl", text.to_owned(), &Delims::default(), FUNCTIONS).unwrap()
}

fn executed(template: &Template, data: &Value, store: &Store) -> Vec<u8> {
    template.execute(data, store, &Options::default()).unwrap()
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
