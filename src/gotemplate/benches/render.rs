//! What parsing and executing cost, beside the crate `gotmpl`: `cargo bench -p gotemplate`.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement stops at the first surprise"
)]

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use gotemplate::{Delims, Options, Str, Template, Value};

const SERVERS: usize = 10_000;

const OVER_DATA: &str = "{{range .}}    server {{.}};\n{{end}}";

const OF_MANY_KINDS: &str = r#"{{range $i, $server := .}}{{if and $server.healthy (ge $server.weight 1.0)}}
    server {{$server.name}} {{$server.host}}:{{$server.port}} {{- with $server.options}}{{range .}} {{.}}{{end}}{{end}}
    weight {{$server.weight}} cookie s{{$i}}
{{else}}    # {{$server.name | printf "%q"}} is {{if $server.healthy}}light{{else}}ill{{end}}
{{end}}{{end}}"#;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    servers(&mut criterion.benchmark_group("10000 servers"));
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
    group.bench_function("gotmpl", |b| {
        b.iter(|| template.execute_to_string(&data).unwrap());
    });

    let template = parsed(OVER_DATA);
    let data = Value::strings(addresses.into_iter().map(Str::from).collect());
    let executed = || template.execute(&data, &(), &Options::default()).unwrap();
    assert_eq!(executed().len(), written);
    group.bench_function("gotemplate", |b| b.iter(executed));
}

fn parse(group: &mut BenchmarkGroup<'_, WallTime>) {
    let text = OF_MANY_KINDS.repeat(10_000 / OF_MANY_KINDS.len());
    group.throughput(Throughput::Bytes(text.len().try_into().unwrap()));
    group.bench_function("gotmpl", |b| {
        b.iter(|| gotmpl::Template::new("t.tmpl").parse(&text).unwrap());
    });
    group.bench_function("gotemplate", |b| b.iter(|| parsed(&text)));
}

fn parsed(text: &str) -> Template {
    Template::parse("t.tmpl", text.to_owned(), &Delims::default(), &[]).unwrap()
}

fn address(number: usize) -> String {
    format!("10.0.{}.{}:8080", number / 250, number % 250)
}
