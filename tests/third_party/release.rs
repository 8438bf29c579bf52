//! Release files in odd forms: dates, names, empty lines and comments, lists of digests.

use rbootstrap::testing::archive::{date, now};
use rbootstrap::testing::host_architecture;

use super::Shape;
use super::makers::{edit, without};
use super::odd::{dated, flat_in, named};

pub fn shapes() -> Vec<Shape> {
    let mut shapes = names();
    shapes.extend(dates());
    shapes.extend(expiry());
    shapes.extend(lines());
    shapes
}

fn names() -> Vec<Shape> {
    vec![
        Shape::new("the first part as Suite", |w| {
            named(w, "own/5.12", "own", "other")
        })
        .from("own/5.12 main"),
        Shape::new("the first part as Codename", |w| {
            named(w, "own/updates", "own-security", "own")
        })
        .from("own/updates main"),
        Shape::new("all parts but the last", |w| {
            named(w, "own/8.0/x", "own/8.0", "other")
        })
        .from("own/8.0/x main"),
        Shape::new("the last part alone", |w| {
            named(w, "own/last", "last", "last")
        })
        .from("own/last main")
        .warns(),
        Shape::new("names in another case", |w| named(w, "own", "OWN", "Own")).warns(),
        Shape::new("a dot before the name", |w| named(w, "own", "own", "own")).from("./own main"),
        Shape::new("other names of a flat archive", |w| flat_in(w, "sub"))
            .from("sub/")
            .warns(),
    ]
}

fn dates() -> Vec<Shape> {
    vec![
        Shape::new("RFC 850", |w| dated(w, "Wednesday, 25-Nov-20 10:00:00 GMT")),
        Shape::new("asctime", |w| dated(w, "Wed Nov 25 10:00:00 2020")),
        Shape::new("zone +0000", |w| {
            dated(w, "Wed, 25 Nov 2020 10:00:00 +0000")
        }),
        Shape::new("zone Z", |w| dated(w, "Wed, 25 Nov 2020 10:00:00 Z")),
        Shape::new("another weekday", |w| {
            dated(w, "Mon, 25 Nov 2020 10:00:00 UTC")
        }),
        Shape::new("a day of one digit", |w| {
            dated(w, "Wed,  5 Nov 2020 9:00:00 UTC")
        }),
        Shape::new("30 February", |w| dated(w, "Fri, 30 Feb 2020 10:00:00 UTC")),
        Shape::new("second 60", |w| dated(w, "Wed, 25 Nov 2020 10:00:60 UTC")),
        Shape::new("a month in lower case", |w| {
            dated(w, "wed, 25 nov 2020 10:00:00 UTC")
        }),
        Shape::new("a month in full", |w| {
            dated(w, "Wed, 25 November 2020 10:00:00 UTC")
        }),
        Shape::new("a year of two digits", |w| {
            dated(w, "Wed, 25 Nov 20 10:00:00 UTC")
        }),
        Shape::new("no weekday", |w| dated(w, "25 Nov 2020 10:00:00 UTC")).warns(),
        Shape::new("zone -0500", |w| {
            dated(w, "Wed, 25 Nov 2020 10:00:00 -0500")
        })
        .warns(),
        Shape::new("zone CET", |w| dated(w, "Wed, 25 Nov 2020 10:00:00 CET")).warns(),
        Shape::new("zone utc", |w| dated(w, "Wed, 25 Nov 2020 10:00:00 utc")).warns(),
        Shape::new("no zone", |w| dated(w, "Wed, 25 Nov 2020 10:00:00")).warns(),
        Shape::new("no seconds", |w| dated(w, "Wed, 25 Nov 2020 10:00 UTC")).warns(),
        Shape::new("hour 24", |w| dated(w, "Wed, 25 Nov 2020 24:00:00 UTC")).warns(),
        Shape::new("a word more", |w| {
            dated(w, "Wed, 25 Nov 2020 10:00:00 UTC x")
        })
        .warns(),
        Shape::new("French", |w| dated(w, "mer., 25 nov. 2020 10:00:00 UTC")).warns(),
        Shape::new("date -R of C", |w| dated(w, "Wed Nov 25 10:00:00 UTC 2020")).warns(),
        Shape::new("a number", |w| dated(w, "1764000000")).warns(),
        Shape::new("a Date in an hour", |w| dated(w, &date(now() + 3600))).refused(),
        Shape::new("a Date in an hour, unchecked", |w| {
            dated(w, &date(now() + 3600))
        })
        .from("deb [trusted=no check-date=no signed-by={key}] {uri} own main"),
    ]
}

fn expiry() -> Vec<Shape> {
    vec![
        Shape::new("Valid-Until to come", |w| {
            edit(w, |r| format!("{r}Valid-Until: {}\n", date(now() + 3600)))
        }),
        Shape::new("Valid-Until that passed", |w| {
            edit(w, |r| format!("{r}Valid-Until: {}\n", date(now() - 60)))
        })
        .refused(),
        Shape::new("Valid-Until of asctime", |w| {
            edit(w, |r| format!("{r}Valid-Until: Fri Nov 25 10:00:00 2095\n"))
        }),
        Shape::new("Valid-Until in words", |w| {
            edit(w, |r| format!("{r}Valid-Until: soon\n"))
        })
        .refused(),
        Shape::new("Valid-Until of another zone", |w| {
            edit(w, |r| {
                format!("{r}Valid-Until: Fri, 25 Nov 2095 10:00:00 +0100\n")
            })
        })
        .refused(),
    ]
}

fn lines() -> Vec<Shape> {
    vec![
        Shape::new("an empty line first", |w| edit(w, |r| format!("\n{r}"))),
        Shape::new("two empty lines before all", |w| {
            edit(w, |r| format!("\n\n{r}"))
        })
        .refused(),
        Shape::new("an empty line before the digests", |w| {
            edit(w, |r| r.replace("SHA256:", "\nSHA256:"))
        })
        .refused(),
        Shape::new("a second stanza", |w| {
            edit(w, |r| format!("{r}\nSuite: none\n"))
        }),
        Shape::new("a comment before all", |w| edit(w, |r| format!("# x\n{r}"))),
        Shape::new("a comment before the digests", |w| {
            edit(w, |r| r.replace("SHA256:", "# x\nSHA256:"))
        })
        .refused(),
        Shape::new("a blank before the colon of the digests", |w| {
            edit(w, |r| r.replace("SHA256:", "SHA256 :"))
        }),
        Shape::new("tabs in the list", |w| {
            edit(w, |r| r.replace(" main/", "\tmain/"))
        }),
        Shape::new("digests of indexes in upper case", |w| {
            edit(w, |r| {
                let (before, list) = r.split_once("SHA256:\n").unwrap();
                let list = list.replace("main/binary", "MAIN/BINARY").to_uppercase();
                let list = list.replace("MAIN/BINARY", "main/binary");
                let index = format!("-{}/Packages", host_architecture());
                let list = list.replace(&index.to_uppercase(), &index);
                format!(
                    "{before}SHA256:\n{}",
                    list.replace(".XZ", ".xz").replace(".GZ", ".gz")
                )
            })
        })
        .refused(),
        Shape::new("paths with a dot", |w| {
            edit(w, |r| r.replace(" main/", " ./main/"))
        })
        .refused(),
        Shape::new("a second list of digests", |w| {
            edit(w, |r| format!("{r}SHA256:\n {} 1 other\n", "0".repeat(64)))
        })
        .refused(),
        Shape::new("a list without sizes", |w| {
            edit(w, |r| {
                r.replace("SHA256:\n", &format!("SHA256:\n {} x\n", "0".repeat(64)))
            })
        })
        .refused(),
        Shape::new("SHA1 alone", |w| edit(w, |r| r.replace("SHA256:", "SHA1:"))).refused(),
        Shape::new("another Architectures", |w| {
            edit(w, |r| {
                without(r, "Architectures:") + "Architectures: m68k\n"
            })
        }),
        Shape::new("another Components", |w| {
            edit(w, |r| without(r, "Components:") + "Components: other\n")
        }),
        Shape::new("fields twice", |w| {
            edit(w, |r| format!("{r}Suite: own\nCodename: own\n"))
        }),
    ]
}
