//! A package as a user names it.

/// `name` or `name:architecture`, as a user writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameWords<'t> {
    pub(super) name: &'t str,
    pub(super) architecture: Option<&'t str>,
}

impl<'t> NameWords<'t> {
    pub(super) fn of(text: &'t str) -> NameWords<'t> {
        match text.split_once(':') {
            Some((name, architecture)) => NameWords {
                name,
                architecture: Some(architecture),
            },
            None => NameWords {
                name: text,
                architecture: None,
            },
        }
    }
}
