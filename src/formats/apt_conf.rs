//! apt.conf(5): settings as a flat list of names and values.

/// One setting. A name's parts have `::` between them; an item of a list has `::` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A text that apt could not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadConfiguration {
    #[error("a quote is not closed")]
    Quote,
    #[error("a comment is not closed")]
    Comment,
    #[error("a `}}` is missing")]
    Open,
    #[error("a `}}` closes nothing")]
    Closed,
    #[error("`{word}` is not a setting (expected NAME \"VALUE\";)")]
    Value { word: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Open,
    Close,
    End,
}

/// Reads all settings, in their order. `#clear` and `#include` are passed over.
pub(crate) fn settings(text: &str) -> Result<Vec<Setting>, BadConfiguration> {
    let mut settings = Vec::new();
    // The names of the blocks around.
    let mut blocks: Vec<String> = Vec::new();
    let mut words: Vec<Token> = Vec::new();
    for token in tokens(text)? {
        match token {
            Token::Open => {
                blocks.push(match words.first() {
                    Some(Token::Word(name) | Token::Quoted(name)) => name.clone(),
                    _ => String::new(),
                });
                words.clear();
            }
            Token::Close => {
                add(&blocks, &words, &mut settings)?;
                words.clear();
                blocks.pop().ok_or(BadConfiguration::Closed)?;
            }
            Token::End => {
                add(&blocks, &words, &mut settings)?;
                words.clear();
            }
            word => words.push(word),
        }
    }
    match (blocks.is_empty(), words.is_empty()) {
        (true, true) => Ok(settings),
        (false, _) => Err(BadConfiguration::Open),
        (true, false) => {
            add(&blocks, &words, &mut settings)?;
            Ok(settings)
        }
    }
}

fn add(
    blocks: &[String],
    words: &[Token],
    settings: &mut Vec<Setting>,
) -> Result<(), BadConfiguration> {
    let (name, value) = match words {
        [] => return Ok(()),
        [Token::Word(name), ..] if name.starts_with('#') => return Ok(()),
        // An item of the list around it; apt takes `A::B=c` for one too.
        [Token::Word(value) | Token::Quoted(value)] => ("", value),
        [Token::Word(name), Token::Quoted(value) | Token::Word(value)] => (name.as_str(), value),
        [Token::Word(word) | Token::Quoted(word), ..] => {
            return Err(BadConfiguration::Value { word: word.clone() });
        }
        [Token::Open | Token::Close | Token::End, ..] => return Ok(()),
    };
    let mut parts: Vec<&str> = blocks.iter().map(String::as_str).collect();
    parts.push(name);
    settings.push(Setting {
        name: parts.join("::"),
        value: value.clone(),
    });
    Ok(())
}

fn tokens(text: &str) -> Result<Vec<Token>, BadConfiguration> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if rest.starts_with("//") || is_comment(rest) {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = match comment.split_once("*/") {
                Some((_, after)) => after,
                None => return Err(BadConfiguration::Comment),
            };
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (value, after) = quoted.split_once('"').ok_or(BadConfiguration::Quote)?;
            tokens.push(Token::Quoted(value.to_owned()));
            rest = after;
        } else if letter.is_whitespace() {
            rest = rest.trim_start();
        } else {
            let single = match letter {
                '{' => Some(Token::Open),
                '}' => Some(Token::Close),
                ';' => Some(Token::End),
                _ => None,
            };
            let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c));
            let length = match single {
                Some(_) => 1,
                None => end.unwrap_or(rest.len()),
            };
            let word = Token::Word(rest[..length].to_owned());
            tokens.push(single.unwrap_or(word));
            rest = &rest[length..];
        }
    }
    Ok(tokens)
}

/// A `#` begins a comment, unless a directive follows.
fn is_comment(text: &str) -> bool {
    text.starts_with('#') && !text.starts_with("#clear") && !text.starts_with("#include")
}

/// The truth of a value, as apt reads it. `None` for a value that is neither.
pub(crate) fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_flat_list() {
        let rows = [
            (r#"A::B "c";"#, "A::B=c"),
            (r#"A::B "c""#, "A::B=c"),
            ("A::B c;", "A::B=c"),
            (r#"A { B { C "d"; }; E "f"; };"#, "A::B::C=d A::E=f"),
            (r#"A { "b"; "c"; };"#, "A::=b A::=c"),
            (r#"A::B:: "c";"#, "A::B::=c"),
            ("# a\n// b\n/* c\n d */ E \"f\"; // g", "E=f"),
            ("#clear A::B;\nC \"d\";", "C=d"),
            (r#"P "http://127.0.0.1:3142";"#, "P=http://127.0.0.1:3142"),
            ("A::B=c;", "=A::B=c"),
            ("", ""),
        ];
        for (text, expected) in &rows {
            let mut found = Vec::new();
            for Setting { name, value } in settings(text).unwrap() {
                found.push(format!("{name}={value}"));
            }
            assert_eq!(found.join(" "), *expected, "{text}");
        }
        let refused = [
            (r#"A "b"#, "a quote is not closed"),
            ("/* a", "a comment is not closed"),
            ("A {", "a `}` is missing"),
            ("A \"b\"; }", "a `}` closes nothing"),
            ("A b c;", "`A` is not a setting (expected NAME \"VALUE\";)"),
        ];
        for (text, expected) in refused {
            assert_eq!(settings(text).unwrap_err().to_string(), expected, "{text}");
        }
        assert_eq!(truth("True"), Some(true));
        assert_eq!(truth("off"), Some(false));
        assert_eq!(truth("maybe"), None);
    }
}
