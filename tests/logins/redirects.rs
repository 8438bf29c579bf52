//! Redirects, and to which servers they take a login.

use std::fs;

use rbootstrap::testing::server::{Reply, Server};

use super::{LOGIN, World};

/// A login goes to the server that it is for, and not to where that redirects.
#[test]
fn logins_do_not_follow_a_redirect_to_another_server() {
    let world = World::new();
    let root = world.context.archive.root.clone();
    let other = Server::start(move |asked| {
        match fs::read(root.join(asked.target.trim_start_matches('/'))) {
            Ok(content) => Reply::of(&content),
            Err(_) => Reply::status(404),
        }
    });
    let to = other.origin();
    let front = Server::start(move |asked| {
        if asked.header("authorization") != LOGIN {
            return Reply::status(401);
        }
        Reply::status(302).with("Location", format!("{to}{}", asked.target))
    });
    let uri = front.origin().replace("//", "//me:s3cret@");
    world.run(&["--print-debs"], "", &uri).ok();
    let asked = other.asked();
    assert!(asked.iter().any(|one| one.target.ends_with("/InRelease")));
    for one in asked {
        assert_eq!(one.header("authorization"), "", "{}", one.target);
    }
    // Without its login, the front does not even redirect.
    let front_of = front.origin();
    let redirecting = Server::start(move |asked| {
        Reply::status(301).with("Location", format!("{front_of}{}", asked.target))
    });
    let uri = redirecting.origin().replace("//", "//me:s3cret@");
    world
        .run(&["--print-debs"], "", &uri)
        .fails(5)
        .names(&["401"]);
    let last = front.asked().pop().unwrap();
    assert_eq!(last.header("authorization"), "");
}

/// A redirect to the same server has the login again, and no end of redirects is an error.
#[test]
fn logins_follow_redirects_on_one_server() {
    let world = World::new();
    let server = Server::start(move |asked| match asked.header("authorization") == LOGIN {
        true => Reply::status(307).with("Location", format!("{}?again", asked.target)),
        false => Reply::status(401),
    });
    let uri = server.origin().replace("//", "//me:s3cret@");
    let made = world.run(&["--print-debs"], "", &uri);
    made.fails(5).names(&["too many"]);
    for one in server.asked() {
        assert_eq!(one.header("authorization"), LOGIN, "{}", one.target);
    }
}
