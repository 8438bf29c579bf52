//! The control members: read whole, since they are small and limited, with links among them
//! followed.

use super::copy::Copying;
use super::limits::{CONTROL_LIMIT, MEMBER_LIMIT};
use super::{Error, Input, Kind, Member, TarError, archive};

/// Reads the control member whole.
pub(super) fn control_members(control: Input<'_>, copying: &Copying) -> Result<Vec<Member>, Error> {
    let mut archive = archive(control, copying).map_err(Error::control)?;
    let mut members: Vec<Member> = Vec::new();
    let mut links: Vec<Link> = Vec::new();
    let mut total: u64 = 0;
    while let Some(entry) = archive.next_entry().map_err(Error::control)? {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let name = plain_name(&path);
        if entry.kind == Kind::Directory && matches!(name, "" | ".") {
            continue;
        }
        let is_link = matches!(entry.kind, Kind::HardLink | Kind::Symlink);
        let is_member = is_link || entry.kind == Kind::File;
        if !is_member || name.contains('/') || matches!(name, "" | "." | "..") {
            return Err(Error::Control { name: path });
        }
        total = entry.size.saturating_add(total);
        if total > CONTROL_LIMIT || (members.len() + links.len()) as u64 >= MEMBER_LIMIT {
            return Err(too_much());
        }
        // As with tar, the last one of a name counts.
        members.retain(|member| member.name != name);
        links.retain(|link| link.name != name);
        if is_link {
            let target = String::from_utf8_lossy(&entry.target);
            let target = plain_name(&target).to_owned();
            let is_there = members.iter().any(|member| member.name == target)
                || links.iter().any(|link| link.name == target);
            // tar cannot make a hard link to what follows; a symlink may lead there.
            if entry.kind == Kind::HardLink && !is_there {
                return Err(Error::Control { name: path });
            }
            links.push(Link {
                name: name.to_owned(),
                target,
            });
            continue;
        }
        let content = archive.content().map_err(Error::control)?;
        members.push(Member {
            name: name.to_owned(),
            mode: entry.mode & 0o7777,
            modified: entry.modified,
            content,
        });
    }
    follow_links(links, &mut members, total)?;
    Ok(members)
}

/// A control member that is a link to another one.
struct Link {
    name: String,
    target: String,
}

/// Gives each link the content that it leads to, over any number of other links. One that leads to
/// no member is an error.
///
/// `total` is the size of all members so far.
fn follow_links(
    mut links: Vec<Link>,
    members: &mut Vec<Member>,
    mut total: u64,
) -> Result<(), Error> {
    while !links.is_empty() {
        let before = links.len();
        let mut left = Vec::new();
        for link in links {
            match members.iter().find(|member| member.name == link.target) {
                Some(target) => {
                    total = total.saturating_add(target.content.len() as u64);
                    if total > CONTROL_LIMIT {
                        return Err(too_much());
                    }
                    let member = Member {
                        name: link.name,
                        ..target.clone()
                    };
                    members.push(member);
                }
                None => left.push(link),
            }
        }
        if let Some(first) = left.first()
            && left.len() == before
        {
            let name = first.name.clone();
            return Err(Error::Control { name });
        }
        links = left;
    }
    Ok(())
}

/// The path of a control member without a leading `./` or `/`.
fn plain_name(path: &str) -> &str {
    match path.strip_prefix("./") {
        Some(rest) => rest,
        None => path.strip_prefix('/').unwrap_or(path),
    }
}

fn too_much() -> Error {
    Error::control(TarError::Limit {
        what: "more or larger control members",
        limit: CONTROL_LIMIT,
    })
}

/// Control files are UTF-8 (Policy 5.1); those of old packages may be Latin-1.
pub(super) fn text(content: Vec<u8>) -> String {
    match String::from_utf8(content) {
        Ok(text) => text,
        Err(e) => e.as_bytes().iter().copied().map(char::from).collect(),
    }
}
