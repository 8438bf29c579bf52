//! Command lines that push images.

use super::*;

#[test]
fn registries_get_an_image_alone_or_besides() {
    let rows = [
        ("noble", "Make, only registry r.x/a:b"),
        ("--format oci noble", "Make, only registry r.x/a:b"),
        ("noble n", "Make, directory n, only registry r.x/a:b"),
        (
            "noble n.oci.tar",
            "Make, OCI archive n.oci.tar, gz at level 6, registry r.x/a:b",
        ),
        (
            "noble n --tar n.oci.tar",
            "Make, directory n, OCI archive n.oci.tar, gz at level 6, registry r.x/a:b",
        ),
        (
            "--push n noble",
            "Make, only registry r.x/a:b, only registry docker.io/library/n:latest",
        ),
        (
            "--arch amd64 --arch arm64 noble",
            "Make, only registry r.x/a:b, and arm64",
        ),
        (
            "--label a=b noble n",
            "Make, directory n, only registry r.x/a:b",
        ),
        ("--simulate noble", "Simulate, registry r.x/a:b"),
        (
            "noble n.tar",
            "error: --push does not apply to `n.tar`, which is a tar and no OCI image",
        ),
        (
            "noble n.ext4",
            "error: --push does not apply to `n.ext4`, which is a file system",
        ),
        (
            "--format oci noble -",
            "error: --push does not apply to `-`, which is standard output",
        ),
        (
            "--refs - noble",
            "error: --refs - is not supported, because it is standard output",
        ),
        (
            "--insecure-registry http://r.x noble",
            "error: invalid value 'http://r.x' for '--insecure-registry <HOST[:PORT]>': \
             expected HOST or HOST:PORT",
        ),
    ];
    for (words, expected) in rows {
        let made = match request(&format!("rbootstrap --push r.x/a:b {words}")) {
            Ok(request) => shown(&request),
            Err(error) => error,
        };
        assert_eq!(made, expected, "{words}");
    }
    let without = request("rbootstrap --refs f noble n").unwrap_err();
    assert_eq!(
        without,
        "error: the following required arguments were not provided:"
    );
}

#[test]
fn the_first_name_is_that_of_an_image_without_one() {
    let rows = [
        ("--push r.x/a:b --push r.x/c noble n.oci.tar", "r.x/a:b"),
        (
            "--tag t:1 --push r.x/a:b noble n.oci.tar",
            "docker.io/library/t:1",
        ),
    ];
    for (words, expected) in rows {
        let made = request(&format!("rbootstrap {words}")).unwrap();
        let image = made.outputs.image.unwrap();
        let name = image.reference().map(ToString::to_string);
        assert_eq!(name.as_deref(), Some(expected), "{words}");
    }
}

#[test]
fn help_of_push() {
    let mut command = help::command();
    command.build();
    let push = command.find_subcommand_mut("push").unwrap();
    assert_text("help_of_push", &push.render_help());
}
