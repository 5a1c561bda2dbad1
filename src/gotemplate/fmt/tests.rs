use super::printf;
use crate::tests::{list, map, pairs};
use crate::value::Value;

fn sprintf(format: &str, args: &[Value]) -> String {
    let mut out = Vec::new();
    printf(&mut out, 1 << 20, format.as_bytes(), args);
    String::from_utf8_lossy(&out).into_owned()
}

/// Formats with one argument each.
fn check<const N: usize>(arg: impl Into<Arg>, cases: [(&str, &str); N]) {
    let Arg(arg) = arg.into();
    for (format, output) in cases {
        assert_eq!(
            sprintf(format, std::slice::from_ref(&arg)),
            output,
            "{format} of {arg:?}"
        );
    }
}

struct Arg(Value);

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self(Value::Int(value))
    }
}

impl From<f64> for Arg {
    fn from(value: f64) -> Self {
        Self(Value::Float(value))
    }
}

impl From<&'static str> for Arg {
    fn from(text: &'static str) -> Self {
        Self(Value::string(text))
    }
}

impl From<Value> for Arg {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

#[test]
fn integers() {
    check(
        42,
        [
            ("%d|%v", "42|%!v(MISSING)"),
            ("%5d|", "   42|"),
            ("%-5d|", "42   |"),
            ("%05d", "00042"),
            ("%-05d|", "42   |"),
            ("%+d", "+42"),
            ("% d", " 42"),
            ("%.4d", "0042"),
            ("%8.4d", "    0042"),
            ("%08.4d", "    0042"),
            ("%x %[1]X %[1]o %[1]b", "2a 2A 52 101010"),
            (
                "%#x %#[1]X %#[1]o %#[1]b %[1]O",
                "0x2a 0X2A 052 0b101010 0o52",
            ),
            ("%#v %[1]T", "42 int"),
            ("%c %[1]q %[1]U %#[1]U", "* '*' U+002A U+002A '*'"),
            ("%t", "%!t(int=42)"),
            ("%5z", "%!z(int=   42)"),
        ],
    );
    check(-42, [("%06d", "-00042"), ("%x", "-2a"), ("%c", "\u{fffd}")]);
    check(0, [("%.0d|", "|"), ("%4.0d|", "    |"), ("%#o", "0")]);
    check(i64::MIN, [("%d", "-9223372036854775808")]);
    check(
        0x1f600,
        [("%c %[1]q %+[1]q %[1]U", "😀 '😀' '\\U0001f600' U+1F600")],
    );
    check(
        Value::Uint8(7),
        [("%d %#[1]v %#02[1]x %[1]T", "7 0x7 0x07 uint8")],
    );
}

#[test]
fn floats() {
    check(
        1234.5678,
        [
            (
                "%v %[1]g %[1]f %[1]e",
                "1234.5678 1234.5678 1234.567800 1.234568e+03",
            ),
            (
                "%.2f|%10.1[1]f|%-10.1[1]f|",
                "1234.57|    1234.6|1234.6    |",
            ),
            ("%010.2f %+.1[1]f % .0[1]f", "0001234.57 +1234.6  1235"),
            ("%.3g %[1]G %.3[1]E", "1.23e+03 1234.5678 1.235E+03"),
            ("%d", "%!d(float64=1234.5678)"),
        ],
    );
    check(
        -0.5,
        [("%07.2f", "-000.50"), ("%.0f", "-0"), ("%x", "-0x1p-01")],
    );
    check(
        0.0,
        [
            ("%v %e %[1]e", "0 %!e(MISSING) 0.000000e+00"),
            ("%x %b", "0x0p+00 %!b(MISSING)"),
        ],
    );
    check(
        1e21,
        [("%v", "1e+21"), ("%f", "1000000000000000000000.000000")],
    );
    check(
        1_000_000.0,
        [("%v", "1e+06"), ("%.8g", "1000000"), ("%#g", "1.00000e+06")],
    );
    check(123_456.0, [("%v", "123456")]);
    check(0.0001, [("%v", "0.0001")]);
    check(0.00001, [("%v", "1e-05")]);
    check(
        2.5,
        [
            ("%.0f", "2"),
            ("%#.0f", "2."),
            ("%x %.0[1]x", "0x1.4p+01 0x1p+01"),
        ],
    );
    check(
        1.0,
        [
            ("%b", "4503599627370496p-52"),
            ("%X %.3[1]x", "0X1P+00 0x1.000p+00"),
        ],
    );
    check(0.1, [("%.20f", "0.10000000000000000555")]);
    assert_eq!(
        sprintf("%.3000f", &[Value::Float(0.5)]),
        format!("0.5{:02999}", 0)
    );
    check(f64::INFINITY, [("%v %+[1]v %06[1]f", "+Inf +Inf   +Inf")]);
    check(f64::NAN, [("%v %+[1]v %06[1]f", "NaN NaN    NaN")]);
    check(
        Value::Complex(1.0, -2.5),
        [("%v %.1[1]f", "(1-2.5i) (1.0-2.5i)")],
    );
}

#[test]
fn strings() {
    check(
        "héllo",
        [
            ("%s|%8[1]s|%-8[1]s|%.2[1]s|", "héllo|   héllo|héllo   |hé|"),
            ("%08s", "000héllo"),
            ("%q %+[1]q %#[1]q", "\"héllo\" \"h\\u00e9llo\" `héllo`"),
            ("%x %X", "68c3a96c6c6f %!X(MISSING)"),
            (
                "% x %#[1]x %# [1]X",
                "68 c3 a9 6c 6c 6f 0x68c3a96c6c6f 0X68 0XC3 0XA9 0X6C 0X6C 0X6F",
            ),
            ("%.2x", "68c3"),
            ("%#v %[1]T", "\"héllo\" string"),
            ("%d", "%!d(string=héllo)"),
        ],
    );
    check(
        "a`\t\x07\u{200b}\"",
        [
            ("%q", r#""a`\t\a\u200b\"""#),
            ("%#q", r#""a`\t\a\u200b\"""#),
        ],
    );
    let bytes = Value::string(&b"\xff\xfea"[..]);
    check(bytes, [("%q", r#""\xff\xfea""#), ("%x", "fffe61")]);
    check(
        Value::Bool(true),
        [("%t %[1]v %6[1]t %[1]s", "true true   true %!s(bool=true)")],
    );
}

#[test]
fn collections() {
    check(
        list([Value::Int(1), Value::string("a b"), Value::Nil]),
        [
            ("%v %[1]d", "[1 a b <nil>] [1 %!d(string=a b) <nil>]"),
            ("%q", r#"['\x01' "a b" <nil>]"#),
            ("%5v", "[    1   a b <nil>]"),
            ("%#v", r#"[]interface {}{1, "a b", interface {}(nil)}"#),
            ("%T", "[]interface {}"),
        ],
    );
    check(
        map([("b", Value::Int(2)), ("a", list([]))]),
        [
            ("%v %[1]s", "map[a:[] b:2] map[a:[] b:%!s(int=2)]"),
            (
                "%#v",
                r#"map[string]interface {}{"a":[]interface {}{}, "b":2}"#,
            ),
            ("%t", "map[%!t(string=a):[] %!t(string=b):%!t(int=2)]"),
        ],
    );
    check(
        pairs([("/k", "v")]),
        [
            (
                "%v %+[1]v %[1]q",
                r#"[{/k v}] [{Key:/k Value:v}] [{"/k" "v"}]"#,
            ),
            ("%#v", r#"memkv.KVPairs{memkv.KVPair{Key:"/k", Value:"v"}}"#),
        ],
    );
    check(
        Value::strings(vec!["a".into(), "b".into()]),
        [("%s %x", "[a b] %!x(MISSING)"), ("%x", "[61 62]")],
    );
    check(
        Value::Nil,
        [("%v %[1]T %[1]d %5[1]v", "<nil> <nil> %!d(<nil>) <nil>")],
    );
}

#[test]
fn texts_of_methods() {
    check(
        Value::Month(3),
        [("%v %[1]s %[1]d %[1]q", "March March 3 \"March\"")],
    );
    check(
        Value::Duration(1_500_000_000),
        [(
            "%v %[1]d %[1]t",
            "1.5s 1500000000 %!t(time.Duration=1500000000)",
        )],
    );
}

#[test]
fn arguments_are_taken_in_turn_or_by_number() {
    let args = [Value::Int(1), Value::Int(2), Value::Int(3)];
    for (format, output) in [
        ("%d %d %d", "1 2 3"),
        ("%d", "1%!(EXTRA int=2, int=3)"),
        ("%d %d %d %d", "1 2 3 %!d(MISSING)"),
        ("%[2]d %[1]d", "2 1"),
        ("%[2]d %d", "2 3"),
        ("%*d|%d", "2|3"),
        ("%-*d|%d", "2|3"),
        ("%[2]*[1]d", " 1"),
        ("%[3]*.[2]*[1]f", "%!f(int= 01)"),
        (
            "%[5]d %[0]d %[x]d",
            "%!d(BADINDEX) %!d(BADINDEX) %!d(BADINDEX)",
        ),
        ("%[2]2d", "%!d(BADINDEX)"),
        ("%[1", "%!(NOVERB)"),
        ("%d %d %d %", "1 2 3 %!(NOVERB)"),
        ("%d %d %d %%", "1 2 3 %"),
        ("%d %d %d %!", "1 2 3 %!!(MISSING)"),
    ] {
        assert_eq!(sprintf(format, &args), output, "{format}");
    }
    assert_eq!(sprintf("%*d", &[Value::Int(-4), Value::Int(7)]), "7   ");
    assert_eq!(
        sprintf("%*d", &[Value::string("x"), Value::Int(7)]),
        "%!(BADWIDTH)7"
    );
    assert_eq!(
        sprintf("%.*d", &[Value::Int(-1), Value::Int(7)]),
        "%!(BADPREC)7"
    );
    assert_eq!(
        sprintf("%*d", &[Value::Int(2_000_000), Value::Int(7)]),
        "%!(BADWIDTH)7"
    );
    assert_eq!(
        sprintf("%1000000000d", &[Value::Int(7)]),
        "%!(NOVERB)%!(EXTRA int=7)"
    );
}
