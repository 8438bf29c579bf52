use super::*;

fn words(text: &str) -> String {
    match Hook::parse(HookStage::Customize, text) {
        Ok(hook) => hook.words().join("|"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_text_is_a_command_or_a_helper() {
    let rows = [
        ("useradd x", "customize|on-host|useradd x"),
        ("copy-in a /b", "customize|helper|copy-in a /b"),
        ("copy-inn a /b", "customize|on-host|copy-inn a /b"),
        (
            "upload 'a b' \"/c d\"",
            "customize|helper|upload 'a b' \"/c d\"",
        ),
        (
            "upload a",
            "upload needs at least one path and the path to copy to",
        ),
        (
            "tar-out 'a b",
            "`tar-out 'a b` has a quote that is not closed",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(words(text), expected, "{text}");
    }
    let setup = Hook::in_tree(HookStage::Setup, "true");
    assert_eq!(setup, Err(BadHook::NoPrograms));
}

#[test]
fn stages_are_read_from_the_beginning_of_names() {
    let rows = [
        ("setup00.sh", Some(HookStage::Setup)),
        ("customize", Some(HookStage::Customize)),
        ("essential-x", Some(HookStage::Essential)),
        ("extract.pl", Some(HookStage::Extract)),
        ("README", None),
    ];
    for (name, expected) in rows {
        assert_eq!(HookStage::beginning(name), expected, "{name}");
    }
}
