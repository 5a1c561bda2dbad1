use std::time::{Duration, Instant};

use crate::proxy::helpers::tests::{fails_with, gives};

#[test]
fn a_text_matches_anywhere_unless_anchored() {
    gives(
        r#"{{regexMatch "^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$" "test@example.com"}}"#,
        "true",
    );
    gives(
        r#"{{regexMatch "b" "abc"}} {{regexMatch "^b" "abc"}}"#,
        "true false",
    );
    gives(r#"{{getv "/port" | regexMatch `^\d+$`}}"#, "true");
    gives(
        r#"{{regexMatch "" ""}} {{regexMatch "." "\n"}} {{regexMatch "(?s)." "\n"}}"#,
        "true false true",
    );
    gives(
        r#"{{regexMatch "a$" "a\n"}} {{regexMatch "(?m)a$" "a\n"}}"#,
        "false true",
    );
}

#[test]
fn the_first_match_is_found_and_the_first_way_to_match_wins() {
    gives(r#"{{regexFind "[a-zA-Z][1-9]" "abcd1234"}}"#, "d1");
    gives(
        r#"{{regexFind "a|ab" "xab"}} {{regexFind "a+?" "aa"}}"#,
        "a a",
    );
    gives(r#"{{regexFind "x" "abc"}}"#, "");
    gives(r#"{{regexFind ".$" "é"}}"#, "é");
}

#[test]
fn matches_are_replaced_and_groups_filled_in() {
    gives(
        r#"{{regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W"}}"#,
        "-W-xxW-",
    );
    gives(r#"{{regexReplaceAll "a(x*)b" "-ab-axxb-" "$1W"}}"#, "---");
    gives(r#"{{regexReplaceAll "a(x*)b" "-ab-axxb-" "$1"}}"#, "--xx-");
    gives(
        r#"{{regexReplaceAll "(?P<host>[^:]+):(?P<port>.+)" "a:80" "$port at ${host}, $0, $$1, $9, $"}}"#,
        "80 at a, a:80, $1, , $",
    );
    gives(r#"{{regexReplaceAll "a*" "baac" "-"}}"#, "-b-c-");
    gives(r#"{{regexReplaceAll "" "éa" "."}}"#, ".é.a.");
    gives(r#"{{regexReplaceAll "x" "abc" "y"}}"#, "abc");
}

#[test]
fn an_expression_that_cannot_be_is_an_error() {
    for (function, arguments) in [
        ("regexMatch", "`a`"),
        ("regexFind", "`a`"),
        ("regexReplaceAll", "`a` `b`"),
    ] {
        for (regex, reason) in [
            ("(", "found open group without closing ')'"),
            (r"(a)\1", "backreferences are not supported"),
            ("a(?=b)", "look-around is not supported"),
            (r"\pL", "Unicode character classes are not supported"),
            (r"\Qa\E", "unrecognized escape sequence"),
            ("[a&&b]", "character class intersection is not supported"),
        ] {
            fails_with(
                &format!("{{{{{function} `{regex}` {arguments}}}}}"),
                &format!(
                    "error calling {function}: regular expression {}: {reason}",
                    gotemplate::quote::quote(regex.as_bytes())
                ),
            );
        }
    }
    fails_with(
        r#"{{regexMatch "\xff" "a"}}"#,
        "regular expression \"\\xff\": ",
    );
}

#[test]
fn an_expression_may_be_neither_large_nor_deep() {
    for regex in [
        "(((a{100}){100}){100}){100}".to_owned(),
        "(".repeat(1_000) + &")".repeat(1_000),
        "a".repeat(100_000),
    ] {
        let text = format!("{{{{regexMatch `{regex}` `a`}}}}");
        fails_with(&text, "error calling regexMatch: regular expression ");
    }
}

#[test]
fn a_large_expression_takes_no_long_text() {
    fails_with(
        "{{regexMatch `(a?){1000}b` (repeat 200000 `a`)}}",
        "regular expression \"(a?){1000}b\": takes texts of 131072 bytes at most, not of 200000",
    );
}

#[test]
fn what_is_replaced_may_not_fill_the_memory() {
    fails_with(
        r#"{{$x := repeat 100000 "x"}}{{regexReplaceAll "x" $x $x}}"#,
        "error calling regexReplaceAll: the result would be 67200000 bytes long",
    );
    fails_with(
        r#"{{$x := repeat 10000 "x"}}{{regexReplaceAll ".+" $x (repeat 10000 "$0")}}"#,
        "error calling regexReplaceAll: the result would be 67110000 bytes long",
    );
}

#[test]
fn what_makes_others_backtrack_takes_no_time() {
    let began_at = Instant::now();
    gives(
        r#"{{regexMatch "^(a+)+$" (print (repeat 5000 "a") "b")}}"#,
        "false",
    );
    assert!(began_at.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_no_utf_8_counts_as_replacement_characters() {
    gives(r#"{{regexFind "^a.$" "a\xff"}}"#, "a\u{fffd}");
}
