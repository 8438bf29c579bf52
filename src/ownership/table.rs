//! The records of files, by inode. Pure: it does no I/O.

use std::collections::HashMap;

/// A file, under whatever name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct InodeId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// A user and a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileOwner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// The access control lists of a file: the values of `system.posix_acl_access` and
/// `system.posix_acl_default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) access: Option<Vec<u8>>,
    pub(super) default: Option<Vec<u8>>,
}

/// What the file system cannot hold of a file.
#[derive(Debug)]
pub(super) struct Record<H> {
    pub(super) owner: FileOwner,
    pub(super) lists: Lists,
    /// Keeps the inode's number from being reused.
    held: H,
}

/// The files of which something is recorded. All others belong to root.
#[derive(Debug)]
pub(super) struct Table<H> {
    records: HashMap<InodeId, Record<H>>,
    /// How many records the last sweep left.
    swept: usize,
}

/// With fewer records, a sweep is not worth it.
const SWEEP: usize = 64;

impl<H> Table<H> {
    pub(super) fn new() -> Table<H> {
        Table {
            records: HashMap::new(),
            swept: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many files have lists.
    pub(super) fn listed(&self) -> usize {
        let mut count = 0;
        for record in self.records.values() {
            count += usize::from(record.lists != Lists::default());
        }
        count
    }

    pub(super) fn record(&self, file: InodeId) -> Option<&Record<H>> {
        self.records.get(&file)
    }

    pub(super) fn owner(&self, file: InodeId) -> FileOwner {
        self.record(file)
            .map_or(FileOwner::default(), |known| known.owner)
    }

    pub(super) fn lists(&self, file: InodeId) -> Lists {
        let record = self.record(file);
        record.map_or(Lists::default(), |known| known.lists.clone())
    }

    /// Records the owner of a file, whose inode `held` keeps.
    pub(super) fn set_owner(&mut self, file: InodeId, owner: FileOwner, held: H) {
        let lists = self.lists(file);
        self.set(file, owner, lists, held);
    }

    /// Records the lists of a file, whose inode `held` keeps.
    pub(super) fn set_lists(&mut self, file: InodeId, lists: Lists, held: H) {
        self.set(file, self.owner(file), lists, held);
    }

    fn set(&mut self, file: InodeId, owner: FileOwner, lists: Lists, held: H) {
        if owner == FileOwner::default() && lists == Lists::default() {
            self.records.remove(&file);
            return;
        }
        let new = Record { owner, lists, held };
        let record = self.records.entry(file);
        record
            .and_modify(|known| {
                known.owner = new.owner;
                known.lists.clone_from(&new.lists);
            })
            .or_insert(new);
    }

    /// Whether there may be many records of files that are gone.
    pub(super) fn wants_sweep(&self) -> bool {
        self.records.len() > SWEEP.max(2 * self.swept)
    }

    /// Removes the records of files that are gone.
    pub(super) fn sweep(&mut self, is_gone: impl Fn(&H) -> bool) {
        self.records.retain(|_, record| !is_gone(&record.held));
        self.swept = self.records.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: InodeId = InodeId {
        device: 1,
        inode: 2,
    };
    const MAIL: FileOwner = FileOwner { user: 0, group: 8 };

    #[test]
    fn a_file_of_root_is_not_recorded() {
        let mut table = Table::new();
        table.set_owner(FILE, MAIL, 'a');
        assert_eq!(table.owner(FILE), MAIL);
        table.set_owner(FILE, FileOwner::default(), 'b');
        assert!(table.is_empty());
        assert_eq!(table.owner(FILE), FileOwner::default());
    }

    #[test]
    fn owner_and_lists_do_not_touch_each_other() {
        let mut table = Table::new();
        let lists = Lists {
            access: Some(vec![1]),
            default: None,
        };
        table.set_lists(FILE, lists.clone(), 'a');
        table.set_owner(FILE, MAIL, 'b');
        assert_eq!(table.lists(FILE), lists);
        table.set_lists(FILE, Lists::default(), 'c');
        assert_eq!(table.owner(FILE), MAIL);
        assert_eq!(table.record(FILE).unwrap().held, 'a');
    }

    #[test]
    fn files_that_are_gone_are_forgotten_in_sweeps() {
        let mut table = Table::new();
        for inode in 0..2000 {
            table.set_owner(InodeId { device: 1, inode }, MAIL, inode);
            if table.wants_sweep() {
                table.sweep(|inode| *inode % 10 != 0);
            }
        }
        assert!(table.records.len() < 700, "{}", table.records.len());
        let kept = InodeId {
            device: 1,
            inode: 0,
        };
        assert_eq!(table.owner(kept), MAIL);
    }
}
