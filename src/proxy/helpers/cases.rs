//! Names in other spellings.

mod words;

use gotemplate::library::{mistyped, utf8};
use gotemplate::{Value, rune};

use words::{Kind, Word, first_word, is_connector, kind};

/// `FirstName`, of words that spaces, hyphens or underscores stand between.
pub(super) fn camelcase(args: &[Value]) -> Result<Value, String> {
    respelled(args, camel)
}

/// `first_name`
pub(super) fn snakecase(args: &[Value]) -> Result<Value, String> {
    respelled(args, |text| delimited(text, '_'))
}

/// `first-name`
pub(super) fn kebabcase(args: &[Value]) -> Result<Value, String> {
    respelled(args, |text| delimited(text, '-'))
}

fn respelled(args: &[Value], spell: impl FnOnce(&str) -> String) -> Result<Value, String> {
    let [Value::String(text)] = args else {
        return mistyped();
    };
    Ok(Value::string(spell(&utf8::mended(text))))
}

/// One connector goes where two words meet; those before the first and after the last stay.
fn camel(text: &str) -> String {
    let inner = text.trim_start_matches(is_connector);
    let (before, _) = text.split_at(text.len() - inner.len());
    let mut out = before.to_owned();
    let mut rest = inner;
    while !rest.is_empty() {
        let word = rest.find(is_connector).unwrap_or(rest.len());
        let (word, others) = rest.split_at(word);
        out.push_str(&capitalised(word));
        rest = others.trim_start_matches(is_connector);
        let (connectors, _) = others.split_at(others.len() - rest.len());
        let kept = match rest.is_empty() {
            true => connectors,
            false => all_but_last(connectors),
        };
        out.push_str(kept);
    }
    out
}

fn all_but_last(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next_back();
    chars.as_str()
}

/// `Http` for `HTTP`, and for `http`; what follows a small letter stays.
fn capitalised(word: &str) -> String {
    let capitals = word.chars().take_while(|char| char.is_uppercase()).count();
    let spelled = word.chars().enumerate().map(|(at, char)| match at {
        0 => rune::to_upper(char),
        at if at < capitals => rune::to_lower(char),
        _ => char,
    });
    spelled.collect()
}

/// Words in small letters, with a connector where one begins.
fn delimited(text: &str, connector: char) -> String {
    let mut spelled = Delimited {
        out: String::with_capacity(text.len() + text.len() / 4),
        connector,
    };
    let mut rest = text;
    while let Some((word, others)) = first_word(rest) {
        spelled.push(word);
        rest = match word.kind {
            Kind::Connector | Kind::Punctuation => others,
            Kind::Number => spelled.after_number(others),
            Kind::Capital | Kind::Letters | Kind::Other => spelled.after_word(others),
        };
    }
    spelled.out
}

/// What has been spelled. Its methods return what is left of the text.
struct Delimited {
    out: String,
    connector: char,
}

impl Delimited {
    fn push(&mut self, word: Word<'_>) {
        match word.kind {
            Kind::Connector => {
                let count = word.text.chars().count();
                self.out.extend(std::iter::repeat_n(self.connector, count));
            }
            Kind::Capital => self.out.extend(word.text.chars().map(rune::to_lower)),
            _ => self.out.push_str(word.text),
        }
    }

    /// A number belongs to the word before it, unless small letters follow: `bld4_floor`, `http_2xx`.
    fn after_word<'t>(&mut self, rest: &'t str) -> &'t str {
        match first_word(rest) {
            Some((number, others)) if number.kind == Kind::Number => {
                if kind_of_first(others) == Some(Kind::Letters) {
                    self.out.push(self.connector);
                    self.push(number);
                    return self.after_number(others);
                }
                self.push(number);
                self.connect(others)
            }
            _ => self.connect(rest),
        }
    }

    /// Small letters and numbers belong to the number before them: `2m3s`.
    fn after_number<'t>(&mut self, mut rest: &'t str) -> &'t str {
        while let Some((word, others)) = first_word(rest)
            && matches!(word.kind, Kind::Letters | Kind::Number)
        {
            self.push(word);
            rest = others;
        }
        self.connect(rest)
    }

    fn connect<'t>(&mut self, rest: &'t str) -> &'t str {
        match kind_of_first(rest) {
            None | Some(Kind::Connector | Kind::Punctuation) => {}
            Some(_) => self.out.push(self.connector),
        }
        rest
    }
}

fn kind_of_first(text: &str) -> Option<Kind> {
    text.chars().next().map(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::helpers::tests::gives;

    #[test]
    fn words_are_joined_with_underscores_or_hyphens() {
        gives(
            r#"{{snakecase "FirstName"}} {{kebabcase "FirstName"}}"#,
            "first_name first-name",
        );
        for (text, expected) in [
            ("", ""),
            ("a", "a"),
            ("ALL", "all"),
            ("HTTPServer", "http_server"),
            ("NoHTTPS", "no_https"),
            ("_privateField", "_private_field"),
            ("GO_PATH go-path", "go_path_go_path"),
            ("a__b - c", "a__b___c"),
            (" trailing ", "_trailing_"),
            ("/etc/nginxConf.d", "/etc/nginx_conf.d"),
            ("getÉtat", "get_état"),
            ("日本Go", "日本_go"),
            ("a$b", "a_$_b"),
        ] {
            assert_eq!(delimited(text, '_'), expected, "{text}");
            assert_eq!(delimited(text, '-'), expected.replace('_', "-"), "{text}");
        }
    }

    #[test]
    fn a_number_belongs_to_the_word_before_it_unless_small_letters_follow() {
        for (text, expected) in [
            ("web12", "web12"),
            ("Bld4Floor3rd", "bld4_floor_3rd"),
            ("http2xx", "http_2xx"),
            ("HTTP2XX", "http2_xx"),
            ("HTTP20xOK", "http_20x_ok"),
            ("Duration2m3s", "duration_2m3s"),
            ("a1b2c3d", "a_1b2c3d"),
            ("12Monkeys", "12_monkeys"),
            ("v1.2-rc3", "v1.2_rc3"),
            ("ipv4Address", "ipv4_address"),
        ] {
            assert_eq!(delimited(text, '_'), expected, "{text}");
        }
    }

    #[test]
    fn words_are_joined_with_capitals() {
        gives(r#"{{camelcase "http_server"}}"#, "HttpServer");
        for (text, expected) in [
            ("", ""),
            ("a", "A"),
            ("some words-here", "SomeWordsHere"),
            ("_complex__case_", "_Complex_Case_"),
            ("GO_IS_GREAT", "GoIsGreat"),
            ("HTTPServer", "Httpserver"),
            ("alreadyCamel", "AlreadyCamel"),
            ("étatNET ß", "ÉtatNETß"),
            ("- -", "- -"),
        ] {
            assert_eq!(camel(text), expected, "{text}");
        }
    }
}
