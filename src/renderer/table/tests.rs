use super::*;

fn table(text: &str) -> Table {
    Table::parse(text).unwrap()
}

fn told(table: &mut Table) -> Vec<String> {
    table.take_faults().iter().map(Fault::to_string).collect()
}

#[test]
fn fields_are_read_by_name_and_type() {
    let mut table = table("Name = \"a\"\nlist = [\"b\", \"c\"]\non = true\ncount = -7\n");
    assert_eq!(table.string("name").as_deref(), Some("a"));
    assert_eq!(
        table.strings("list"),
        Some(vec!["b".to_owned(), "c".to_owned()])
    );
    assert_eq!(table.boolean("on"), Some(true));
    assert_eq!(table.integer("count", "a whole number"), Some(-7));
    assert_eq!(table.string("nothing"), None);
    table.warn_of_unknown();
    assert_eq!(told(&mut table), [""; 0]);
}

#[test]
fn what_is_wrong_is_told_once_with_its_line() {
    let mut table = table("# settings\nname = 7\ncount = \"x\"\nother = 1\n");
    assert_eq!(table.string("name"), None);
    assert_eq!(table.integer("count", "a whole number"), None);
    table.warn_of_unknown();
    assert_eq!(
        told(&mut table),
        [
            "line 2: name must be a string",
            "line 3: count must be a whole number",
            "line 4: unknown field other is ignored",
        ]
    );
    assert_eq!(told(&mut table), [""; 0]);
}

#[test]
fn a_table_within_knows_its_lines_in_the_file() {
    let mut root = table("a = 1\n\n[service]\nttl = 30\n");
    let mut service = root.table("service").unwrap().unwrap();
    assert_eq!(service.string("ttl"), None);
    assert_eq!(told(&mut service), ["line 4: ttl must be a string"]);
    assert!(root.table("service").unwrap().is_none());
    let NoTable { line, found } = root.table("a").unwrap_err();
    assert_eq!((line, found), (1, "integer"));
}

#[test]
fn the_first_reason_why_a_text_is_no_toml_has_its_line() {
    let fault = Table::parse("a = 1\nb = \n").unwrap_err();
    assert_eq!(fault.line, Some(2));
}
