//! Access control lists as the kernel's calls have them (linux/posix_acl_xattr.h). Pure.

/// Version 2, then entries: tag, permissions and id.
const VERSION: [u8; 4] = 2u32.to_le_bytes();
const ENTRY: usize = 8;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

struct ListEntry {
    tag: u16,
    permissions: u16,
    id: u32,
}

fn entries(value: &[u8]) -> Option<Vec<ListEntry>> {
    let rest = value.strip_prefix(&VERSION)?;
    let (chunks, []) = rest.as_chunks::<ENTRY>() else {
        return None;
    };
    let mut entries = Vec::new();
    for [t0, t1, p0, p1, id @ ..] in chunks {
        entries.push(ListEntry {
            tag: u16::from_le_bytes([*t0, *t1]),
            permissions: u16::from_le_bytes([*p0, *p1]),
            id: u32::from_le_bytes(*id),
        });
    }
    Some(entries)
}

/// Whether a list names users or groups that a namespace with one id does not have.
pub(super) fn names_others(value: &[u8]) -> bool {
    for entry in entries(value).unwrap_or_default() {
        if entry.id != 0 && matches!(entry.tag, USER | GROUP) {
            return true;
        }
    }
    false
}

/// The permissions that a file with this list shows in its mode.
pub(super) fn mode(value: &[u8]) -> u32 {
    let mut owner = 0;
    let mut group = 0;
    let mut mask = None;
    let mut others = 0;
    for entry in entries(value).unwrap_or_default() {
        let permissions = u32::from(entry.permissions & 7);
        match entry.tag {
            USER_OBJ => owner = permissions,
            GROUP_OBJ => group = permissions,
            MASK => mask = Some(permissions),
            OTHER => others = permissions,
            _ => {}
        }
    }
    owner << 6 | mask.unwrap_or(group) << 3 | others
}

/// The list of a file whose mode has changed since: owner, mask and others are in the mode.
pub(super) fn with_mode(value: &[u8], mode: u32) -> Vec<u8> {
    let Some(entries) = entries(value) else {
        return value.to_vec();
    };
    let has_mask = entries.iter().any(|one| one.tag == MASK);
    let mut list = VERSION.to_vec();
    for entry in entries {
        let permissions = match entry.tag {
            USER_OBJ => mode >> 6 & 7,
            MASK => mode >> 3 & 7,
            GROUP_OBJ if !has_mask => mode >> 3 & 7,
            OTHER => mode & 7,
            _ => entry.permissions.into(),
        };
        list.extend(entry.tag.to_le_bytes());
        list.extend((permissions as u16).to_le_bytes());
        list.extend(entry.id.to_le_bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut list = VERSION.to_vec();
        for (tag, permissions, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    #[test]
    fn a_list_shows_its_mask_in_the_mode() {
        let plain = list(&[
            (USER_OBJ, 7, u32::MAX),
            (GROUP_OBJ, 5, u32::MAX),
            (OTHER, 1, u32::MAX),
        ]);
        assert!(!names_others(&plain));
        assert_eq!(mode(&plain), 0o751);
        let named = list(&[
            (USER_OBJ, 7, u32::MAX),
            (GROUP_OBJ, 7, u32::MAX),
            (GROUP, 5, 4),
            (MASK, 5, u32::MAX),
            (OTHER, 0, u32::MAX),
        ]);
        assert!(names_others(&named));
        assert_eq!(mode(&named), 0o750);
        assert_eq!(with_mode(&named, 0o750), named);
        assert_eq!(mode(&with_mode(&named, 0o644)), 0o644);
        assert_eq!(mode(&with_mode(&plain, 0o600)), 0o600);
    }

    #[test]
    fn what_is_no_list_names_nobody() {
        for value in [&b""[..], b"\x01\0\0\0", b"\x02\0\0\0\x08\0\x05"] {
            assert!(!names_others(value));
            assert_eq!(with_mode(value, 0o777), value);
        }
    }
}
