//! Parses WWW-Authenticate (RFC 9110, 11.6.1), the header with which a registry asks for a login,
//! including the parameters of the distribution project's token authentication. Pure.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// How a registry wants requests to be authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With user name and password in every request.
    Basic,
    /// With a token.
    Bearer(TokenService),
}

/// The service that issues tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenService {
    /// Its URL.
    pub(super) realm: String,
    /// The registry's name at that service.
    pub(super) service: Option<String>,
    /// The rights that the request needs, separated by spaces.
    pub(super) scope: Option<String>,
}

/// One challenge as it is written.
#[derive(Debug, Default)]
struct WrittenChallenge {
    scheme: String,
    /// Names in lower case.
    parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// Chooses the challenge to answer among the values of WWW-Authenticate: a token if one is
    /// offered, or else Basic.
    pub(super) fn choose(values: &[String]) -> Option<Challenge> {
        let mut basic = None;
        for value in values {
            for written in parse(value) {
                match written.scheme.to_ascii_lowercase().as_str() {
                    "bearer" => {
                        if let Some(service) = TokenService::of(written.parameters) {
                            return Some(Challenge::Bearer(service));
                        }
                    }
                    "basic" => basic = Some(Challenge::Basic),
                    _ => {}
                }
            }
        }
        basic
    }
}

impl TokenService {
    fn of(mut parameters: BTreeMap<String, String>) -> Option<TokenService> {
        Some(TokenService {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        })
    }
}

/// Parses the challenges of one header. Malformed parts are skipped.
fn parse(value: &str) -> Vec<WrittenChallenge> {
    let mut challenges: Vec<WrittenChallenge> = Vec::new();
    let mut rest = value.chars().peekable();
    while rest.peek().is_some() {
        let word = token(&mut rest);
        if word.is_empty() {
            // A comma, a blank, or an invalid character.
            rest.next();
            continue;
        }
        skip_blanks(&mut rest);
        if rest.next_if_eq(&'=').is_none() {
            challenges.push(WrittenChallenge {
                scheme: word,
                parameters: BTreeMap::new(),
            });
            continue;
        }
        skip_blanks(&mut rest);
        let value = match rest.next_if_eq(&'"') {
            Some(_) => quoted(&mut rest),
            None => token(&mut rest),
        };
        if let Some(challenge) = challenges.last_mut() {
            let name = word.to_ascii_lowercase();
            challenge.parameters.entry(name).or_insert(value);
        }
    }
    challenges
}

fn token(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut token = String::new();
    while let Some(c) =
        rest.next_if(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(*c))
    {
        token.push(c);
    }
    token
}

/// The text up to the quote that ends it.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => text.extend(rest.next()),
            c => text.push(c),
        }
    }
    text
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `bearer REALM SERVICE SCOPE`, with `-` for what is missing.
    fn shown(challenge: Option<Challenge>) -> String {
        let part = |part: Option<String>| part.unwrap_or("-".to_owned());
        match challenge {
            None => "none".to_owned(),
            Some(Challenge::Basic) => "basic".to_owned(),
            Some(Challenge::Bearer(service)) => format!(
                "bearer {} {} {}",
                service.realm,
                part(service.service),
                part(service.scope)
            ),
        }
    }

    #[test]
    fn challenges_are_read() {
        let table: [(&str, &[&str], &str); 15] = [
            (
                "docker's",
                &[
                    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                ],
                "bearer https://auth.docker.io/token registry.docker.io repository:a/b:pull,push",
            ),
            (
                "with an error",
                &[r#"Bearer realm="https://h/t",service="s",scope="x y",error="invalid_token""#],
                "bearer https://h/t s x y",
            ),
            (
                "only a realm",
                &[r#"bearer realm="https://h/t""#],
                "bearer https://h/t - -",
            ),
            (
                "without quotes",
                &["Bearer realm=https://h/t, service=s"],
                "bearer https://h/t s -",
            ),
            (
                "blanks",
                &["  Bearer   realm = \"https://h/t\" ,\tservice = \"s\"  "],
                "bearer https://h/t s -",
            ),
            (
                "names in capitals",
                &[r#"BEARER Realm="https://h/t",SERVICE="s""#],
                "bearer https://h/t s -",
            ),
            (
                "escaped quotes",
                &[r#"Bearer realm="https://h/t",service="a\"b\\""#],
                r#"bearer https://h/t a"b\ -"#,
            ),
            (
                "a comma and an equals sign in quotes",
                &[r#"Bearer realm="https://h/t?a=b,c",service="s""#],
                "bearer https://h/t?a=b,c s -",
            ),
            ("basic", &[r#"Basic realm="Registry Realm""#], "basic"),
            ("basic without a realm", &["Basic"], "basic"),
            (
                "two in one header",
                &[r#"Basic realm="x", Bearer realm="https://h/t",service="s""#],
                "bearer https://h/t s -",
            ),
            (
                "two headers",
                &[r#"Basic realm="x""#, r#"Bearer realm="https://h/t""#],
                "bearer https://h/t - -",
            ),
            (
                "a bearer without a realm",
                &[r#"Bearer service="s""#, "Basic"],
                "basic",
            ),
            (
                "others",
                &["Negotiate abc==, Digest realm=\"x\", nonce=\"y\""],
                "none",
            ),
            ("nonsense", &["=,=\"", "\"\"", ""], "none"),
        ];
        for (name, values, expected) in table {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(shown(Challenge::choose(&values)), expected, "{name}");
        }
    }
}
